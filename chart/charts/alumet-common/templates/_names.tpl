{{/*
Names. The rule is the one of `helm create`: <release>-<chart>, or the release alone when it contains the chart's name.
`shared` is a name under `global.alumet`, which every chart of the release can read.
*/}}
{{- define "alumet-common.rule" -}}
{{- $name := .nameOverride | default .chart -}}
{{- $made := ternary .release (printf "%s-%s" .release $name) (contains $name .release) -}}
{{- .fullnameOverride | default .shared | default $made | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* The full name of the chart whose context is `root`; `key` is its place under `global.alumet`. */}}
{{- define "alumet-common.fullname" -}}
{{- $values := .root.Values -}}
{{- include "alumet-common.rule" (dict
      "release" .root.Release.Name
      "chart" .root.Chart.Name
      "nameOverride" $values.nameOverride
      "fullnameOverride" $values.fullnameOverride
      "shared" (include "alumet-common.shared" (dict "root" .root "key" .key "field" "fullname"))) -}}
{{- end }}

{{/* The full name of another chart of the release, as far as this chart can know it. */}}
{{- define "alumet-common.sibling" -}}
{{- include "alumet-common.rule" (dict
      "release" .root.Release.Name
      "chart" .chart
      "shared" (include "alumet-common.shared" (dict "root" .root "key" .key "field" "fullname"))) -}}
{{- end }}

{{/* One field below `global.alumet.<key>`, empty when nobody set it. */}}
{{- define "alumet-common.shared" -}}
{{- $places := ((.root.Values.global).alumet) | default dict -}}
{{- $place := get $places .key | default dict -}}
{{- with get $place .field }}{{ include "alumet-common.text" . }}{{ end -}}
{{- end }}

{{/* Whether the chart of `key` is part of the release: its import-values in the umbrella's Chart.yaml say so. */}}
{{- define "alumet-common.deployed" -}}
{{- include "alumet-common.flag" (dict "value" (include "alumet-common.shared" (dict "root" .root "key" .key "field" "deployed"))) -}}
{{- end }}

{{- define "alumet-common.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "alumet-common.labels" -}}
helm.sh/chart: {{ include "alumet-common.chart" . }}
{{ include "alumet-common.podLabels" . }}
{{- end }}

{{/* Without the chart's version: a new chart that renders the same pod must not roll it. */}}
{{- define "alumet-common.podLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: alumet
{{- end }}

{{/* The ConfigMap that the pods mount: the user's own, or the one that this chart makes. */}}
{{- define "alumet-common.config" -}}
{{- with (.root.Values.configMap).name }}{{ . }}{{ else }}{{ include "alumet-common.fullname" . }}-config{{ end -}}
{{- end }}

{{- define "alumet-common.credentials" -}}
{{- include "alumet-common.fullname" . }}-credentials
{{- end }}
