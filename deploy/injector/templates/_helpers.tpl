{{/* Names: the longest that is made of it is the Service `<fullname>-metrics`, of at most 63 characters. */}}
{{- define "injector.fullname" -}}
{{- $own := "alumet-injector" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $own) (contains $own .Release.Name) -}}
{{- .Values.fullnameOverride | default $name | trunc 55 | trimSuffix "-" -}}
{{- end }}

{{- define "injector.configurationName" -}}
{{- .Values.webhook.configurationName | default (include "injector.fullname" .) -}}
{{- end }}

{{/* What both kinds of webhook configuration have in common. */}}
{{- define "injector.configurationMetadata" -}}
{{- $annotations := .Values.webhook.annotations -}}
{{- if include "injector.certManager" . -}}
  {{- $annotations = merge (dict "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "injector.tlsSecret" .))) $annotations -}}
{{- end -}}
{{- include "injector.metadata" (dict "root" . "name" (include "injector.configurationName" .) "cluster" true "annotations" $annotations) -}}
{{- end }}

{{/* Where an entry leads, and whom the API server trusts there. Arguments: root, url, path. */}}
{{- define "injector.clientConfig" -}}
{{- with .url }}
url: {{ . | quote }}
{{- else }}
service:
  name: {{ include "injector.fullname" .root }}
  namespace: {{ .root.Release.Namespace }}
  path: {{ .path }}
  port: {{ int .root.Values.service.port }}
{{- end }}
{{- /* Not rendered where something else writes it: Helm would take it back, or stop with a conflict. */}}
{{- with .root.Values.webhook.caBundle }}
caBundle: {{ b64enc . }}
{{- end }}
{{- end }}

{{- define "injector.policiesUrl" -}}
{{- $webhook := .Values.webhook -}}
{{- with $webhook.url -}}
{{- $webhook.policies.url | default (printf "%s/validate" (trimSuffix "/mutate" . | trimSuffix "/")) -}}
{{- end -}}
{{- end }}

{{/* The injector fills this Secret in self-managed mode. */}}
{{- define "injector.servingCert" -}}
{{- include "injector.fullname" . }}-serving-cert
{{- end }}

{{/*
The Secret with tls.crt and tls.key that is mounted. cert-manager's has another name than the injector's own: a change
of the mode would else let Helm delete what cert-manager has just written.
*/}}
{{- define "injector.tlsSecret" -}}
{{- if eq .Values.certificates.mode "files" -}}
{{- .Values.certificates.secretName -}}
{{- else -}}
{{- include "injector.fullname" . }}-tls
{{- end -}}
{{- end }}

{{- define "injector.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "injector.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{/* Whether the server of this release works with the cluster: `true` or nothing. */}}
{{- define "injector.selfManaged" -}}
{{- if and .Values.deployment.enabled (eq .Values.certificates.mode "self-managed") -}}true{{- end -}}
{{- end }}

{{/* Whether the server of this release watches policies: `true` or nothing. */}}
{{- define "injector.watchesPolicies" -}}
{{- if and .Values.deployment.enabled .Values.policies.watch -}}true{{- end -}}
{{- end }}

{{/* Whether the server of this release looks at the objects of the cluster: `true` or nothing. */}}
{{- define "injector.observes" -}}
{{- if and .Values.deployment.enabled .Values.observer.enabled -}}true{{- end -}}
{{- end }}

{{/* Whether the server of this release writes Events: `true` or nothing. */}}
{{- define "injector.writesEvents" -}}
{{- if and .Values.deployment.enabled .Values.events.enabled -}}true{{- end -}}
{{- end }}

{{/* Whether the server of this release asks the API server for anything: `true` or nothing. */}}
{{- define "injector.asksTheCluster" -}}
{{- if or (include "injector.selfManaged" .) (include "injector.watchesPolicies" .) (include "injector.observes" .) (include "injector.writesEvents" .) -}}true{{- end -}}
{{- end }}

{{/* Gives the release's ServiceAccount the ClusterRole of a name. Arguments: root, name. */}}
{{- define "injector.clusterRoleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "injector.metadata" (dict "root" .root "name" .name "cluster" true) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "injector.serviceAccountName" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- define "injector.certManager" -}}
{{- if and .Values.deployment.enabled (eq .Values.certificates.mode "cert-manager") -}}true{{- end -}}
{{- end }}

{{- define "injector.selectorLabels" -}}
app.kubernetes.io/name: alumet-injector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Name, namespace, labels and annotations of an object. Arguments: root, name; of one that is in no namespace: cluster;
further annotations: annotations; further labels: labels. */}}
{{- define "injector.metadata" -}}
{{- $root := .root -}}
{{- $own := include "injector.selectorLabels" $root | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" (toString $root.Chart.AppVersion) -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "alumet" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ $root.Release.Namespace }}
{{- end }}
labels:
  {{- merge $own (.labels | default dict) $root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "injector.image" -}}
{{- $image := .Values.image -}}
{{- $image.registry }}/{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The arguments of the program. What is null is left to the program. */}}
{{- define "injector.args" -}}
{{- $server := .Values.server -}}
- serve
- {{ printf "--listen=%s:%d" $server.address (int $server.httpsPort) | quote }}
- {{ printf "--admin-listen=%s:%d" $server.address (int $server.adminPort) | quote }}
{{- if include "injector.selfManaged" . }}
- --self-managed
- --namespace={{ .Release.Namespace }}
- --service={{ include "injector.fullname" . }}
- --secret={{ include "injector.servingCert" . }}
- --webhook={{ include "injector.configurationName" . }}
{{- if .Values.webhook.policies.enabled }}
- --validating-webhook={{ include "injector.configurationName" . }}
{{- end }}
{{- else }}
- --tls-cert-file=/etc/alumet-injector/tls/tls.crt
- --tls-key-file=/etc/alumet-injector/tls/tls.key
{{- end }}
{{- if include "injector.watchesPolicies" . }}
- --watch-policies
{{- end }}
{{- if include "injector.observes" . }}
- --observe
{{- end }}
{{- if include "injector.writesEvents" . }}
- --events
{{- end }}
{{- if .Values.policies.files }}
- --policy=/etc/alumet-injector/policies
{{- end }}
{{- range $value, $flag := dict
      "tlsMinVersion" "tls-min-version"
      "logLevel" "log-level"
      "logFormat" "log-format" }}
  {{- with get $server $value }}
- --{{ $flag }}={{ . }}
  {{- end }}
{{- end }}
{{- range $value, $flag := dict
      "maxBodyBytes" "max-body-bytes"
      "maxBytesInFlight" "max-bytes-in-flight"
      "maxConnections" "max-connections"
      "maxRequestsPerConnection" "max-requests-per-connection"
      "maxCallsInFlight" "max-calls-in-flight" }}
  {{- with get $server.limits $value }}
- --{{ $flag }}={{ int64 . }}
  {{- end }}
{{- end }}
{{- range $value, $flag := dict
      "handshakeTimeoutSeconds" "handshake-timeout"
      "headerTimeoutSeconds" "header-timeout"
      "bodyTimeoutSeconds" "body-timeout"
      "idleTimeoutSeconds" "idle-timeout" }}
  {{- with get $server.limits $value }}
- --{{ $flag }}={{ int64 . }}s
  {{- end }}
{{- end }}
- --request-timeout={{ mul .Values.webhook.timeoutSeconds 800 }}ms
- --shutdown-delay={{ int64 $server.shutdownDelaySeconds }}s
- --drain-timeout={{ int64 $server.drainTimeoutSeconds }}s
{{- end }}
