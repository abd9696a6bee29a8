{{/*
The registry of the Alumet images, empty when nobody set one. `ghrc.io` stands in old documents and values files; it is
a slip for ghcr.io, and not a registry that anybody should log in to.
*/}}
{{- define "alumet-common.registry" -}}
{{- $registry := ((.Values.global).image).registry | default (.Values.image).registry | default "" -}}
{{- $registry | trimSuffix "/" | replace "ghrc.io/" "ghcr.io/" -}}
{{- end }}

{{/*
The tag: `image.version` as it is, or <appVersion>-<revision>_<osVersion>. Old values files give version and osVersion
apart; a version without `_` is then completed.
*/}}
{{- define "alumet-common.tag" -}}
{{- $image := .Values.image | default dict -}}
{{- $system := $image.osVersion | default "ubuntu_24.04" -}}
{{- if not $image.version -}}
{{- printf "%s-%v_%s" .Chart.AppVersion ($image.revision | default 1) $system -}}
{{- else if and $image.osVersion (regexMatch "^[0-9]+[.][0-9]+[.][0-9]+(-[0-9]+)?$" (toString $image.version)) -}}
{{- printf "%s_%s" $image.version $system -}}
{{- else -}}
{{- $image.version -}}
{{- end -}}
{{- end }}

{{- define "alumet-common.image" -}}
{{- $registry := include "alumet-common.registry" . | default "ghcr.io/alumet-dev" -}}
{{- $digest := (.Values.image).digest | default "" -}}
{{- printf "%s/alumet-agent:%s%s" $registry (include "alumet-common.tag" .) (ternary (printf "@%s" $digest) "" (ne $digest "")) -}}
{{- end }}

{{/* Names of the image pull secrets, one a line: the global ones first, each once. */}}
{{- define "alumet-common.pullSecrets" -}}
{{- $global := .Values.global | default dict -}}
{{- $names := list -}}
{{- range concat (list ($global.secret | default .Values.secret)) ($global.imagePullSecrets | default list) (.Values.imagePullSecrets | default list) -}}
{{- $name := . -}}
{{- if kindIs "map" . }}{{- $name = .name }}{{- end -}}
{{- if $name }}{{- $names = append $names (toString $name) }}{{- end -}}
{{- end -}}
{{- $names | uniq | join "\n" -}}
{{- end }}
