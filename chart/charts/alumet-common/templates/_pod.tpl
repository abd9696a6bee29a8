{{/* Parts of the pod of an agent. The token env, pull secrets and tolerations are not here: alumet-injector adds them. */}}

{{/* Metadata of the pod template: `extra` holds the labels that only the selectors of one chart need. */}}
{{- define "alumet-common.podMetadata" -}}
{{- $values := .root.Values -}}
{{- $own := merge (dict "injector.alumet.dev/component" .component) (.extra | default dict) (include "alumet-common.podLabels" .root | fromYaml) -}}
labels:
  {{- toYaml (merge $own (deepCopy ($values.podLabels | default dict))) | nindent 2 }}
annotations:
  {{- with omit ($values.podAnnotations | default dict) "injector.alumet.dev/values" "checksum/credentials" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with include "alumet-common.credentialsDigest" . }}
  checksum/credentials: {{ . }}
  {{- end }}
  {{- include "alumet-common.annotation" . | nindent 2 }}
{{- end }}

{{/*
Changes when a password among the values changes, so that the pods roll. A plain hash of a weak password could be
guessed by whoever may read pods; this one goes through scrypt first.
*/}}
{{- define "alumet-common.credentialsDigest" -}}
{{- $secrets := dict -}}
{{- include "alumet-common.plugins" (dict "root" .root "key" .key "plugins" dict "secrets" $secrets) -}}
{{- if $secrets -}}
{{- derivePassword 1 "long" ($secrets | toJson) .root.Release.Name .root.Release.Namespace | sha256sum | trunc 16 -}}
{{- end -}}
{{- end }}

{{/* Profile and what follows from it, as JSON. */}}
{{- define "alumet-common.profile" -}}
{{- $values := .root.Values -}}
{{- $profile := $values.profile | default ((.root.Values.global).alumet).profile | default "compatible" -}}
{{- $privileges := include "alumet-common.privileges" . | fromJson -}}
{{- $client := eq .component "relay-client" -}}
{{- $out := dict "privileges" $privileges "minimal" false -}}
{{- if eq $profile "compatible" }}
  {{- $_ := set $out "hostPID" $client }}
  {{- $_ := set $out "paths" (ternary (dict "/sys" (dict "readOnly" false)) dict $client) }}
  {{- $_ := set $out "pod" (ternary (dict "runAsUser" 0) dict $client) }}
  {{- $_ := set $out "container" (ternary (dict "privileged" true) (dict "capabilities" (dict "add" $privileges.capabilities)) $client) }}
{{- else if eq $profile "minimal" }}
  {{- $container := dict
        "privileged" false
        "readOnlyRootFilesystem" true
        "capabilities" (dict "drop" (list "ALL") "add" $privileges.capabilities) }}
  {{- if not $privileges.needed }}
    {{- $_ := set $container "allowPrivilegeEscalation" false }}
  {{- end }}
  {{- $pod := ternary (dict "runAsUser" 0) (dict "runAsNonRoot" true "runAsUser" 1000 "runAsGroup" 1000) $privileges.root }}
  {{- if not (has "PERFMON" $privileges.needed) }}
    {{- $_ := set $pod "seccompProfile" (dict "type" "RuntimeDefault") }}
  {{- end }}
  {{- $_ := set $out "minimal" true }}
  {{- $_ := set $out "hostPID" $privileges.hostPID }}
  {{- $_ := set $out "paths" $privileges.hostPaths }}
  {{- $_ := set $out "pod" $pod }}
  {{- $_ := set $out "container" $container }}
{{- else }}
  {{- fail (printf "%s.profile is %q: it can be compatible or minimal" .root.Chart.Name $profile) }}
{{- end }}
{{- if include "alumet-common.text" $values.hostPID }}
  {{- $_ := set $out "hostPID" (eq "true" (include "alumet-common.flag" (dict "value" $values.hostPID))) }}
{{- end }}
{{- with $values.podSecurityContext }}
  {{- $_ := set $out "pod" (mergeOverwrite (deepCopy $out.pod) (deepCopy .)) }}
{{- end }}
{{- with $values.securityContext }}
  {{- $own := deepCopy . }}
  {{- /* Old values files: capabilities: "SYS_ADMIN,SYS_NICE" */}}
  {{- if kindIs "string" .capabilities }}
    {{- $own = omit $own "capabilities" }}
    {{- with .capabilities }}
      {{- $_ := set $own "capabilities" (dict "add" (concat (splitList "," (nospace .)) $privileges.capabilities | uniq | sortAlpha)) }}
    {{- end }}
  {{- end }}
  {{- $_ := set $out "container" (mergeOverwrite (deepCopy $out.container) $own) }}
{{- end }}
{{- $out | toJson }}
{{- end }}

{{/* env of the agent: the user's entries win over NODE_NAME, which the client's configuration refers to. */}}
{{- define "alumet-common.env" -}}
{{- $values := .root.Values -}}
{{- $env := list -}}
{{- $names := list -}}
{{- range $name, $value := $values.env | default dict }}
  {{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
    {{- $env = append $env (dict "name" $name "value" (include "alumet-common.text" $value)) }}
    {{- $names = append $names $name }}
  {{- end }}
{{- end }}
{{- range $values.extraEnv }}
  {{- $env = append $env . }}
  {{- $names = append $names .name }}
{{- end }}
{{- if and (eq .component "relay-client") (not (has "NODE_NAME" $names)) }}
  {{- $env = prepend $env (dict "name" "NODE_NAME" "valueFrom" (dict "fieldRef" (dict "apiVersion" "v1" "fieldPath" "spec.nodeName"))) }}
{{- end }}
{{- with $env }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "alumet-common.args" -}}
- --config
- /etc/alumet/alumet-agent.toml
{{- range $values := list .root.Values }}
{{- with ($values.cmd).Arg1 }}
- {{ include "alumet-common.text" . | quote }}
{{- end }}
{{- range $values.extraArgs }}
- {{ include "alumet-common.text" . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "alumet-common.volumeName" -}}
{{- ternary "sysfs" (printf "host%s" (. | replace "/" "-" | lower) | trunc 63 | trimSuffix "-") (eq . "/sys") -}}
{{- end }}

{{- define "alumet-common.volumes" -}}
{{- range $path, $_ := .profile.paths }}
- name: {{ include "alumet-common.volumeName" $path }}
  hostPath:
    path: {{ $path }}
    {{- if eq $path "/sys" }}
    type: Directory
    {{- end }}
{{- end }}
{{- if .profile.minimal }}
- name: work
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- end }}
- name: config
  configMap:
    name: {{ include "alumet-common.config" . }}
    items:
      - key: config
        path: alumet-agent.toml
{{- with .root.Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "alumet-common.volumeMounts" -}}
{{- range $path, $mount := .profile.paths }}
- name: {{ include "alumet-common.volumeName" $path }}
  mountPath: {{ $path }}
  {{- if $mount.readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- if .profile.minimal }}
# Where plugins write files and sockets; the root file system is read-only.
- name: work
  mountPath: /app
- name: tmp
  mountPath: /tmp
{{- end }}
- name: config
  mountPath: /etc/alumet
  readOnly: true
{{- with .root.Values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* `resources` in the usual shape, or with cpu and memory alone, which old values files mean as limits. */}}
{{- define "alumet-common.resources" -}}
{{- $given := .root.Values.resources | default dict -}}
{{- $out := omit (deepCopy $given) "cpu" "memory" -}}
{{- $limits := pick $given "cpu" "memory" -}}
{{- $count := (.root.Values.gpu).count | default 1 | int -}}
{{- if include "alumet-common.flag" (dict "value" (.root.Values.gpu).enabled "default" true) }}
  {{- range .profile.privileges.gpus }}
    {{- $_ := set $limits . $count }}
  {{- end }}
{{- end }}
{{- $limits = mergeOverwrite $limits (deepCopy ($out.limits | default dict)) }}
{{- $made := dict }}
{{- range $key, $value := $limits }}
  {{- if not (kindIs "invalid" $value) }}{{ $_ := set $made $key $value }}{{ end }}
{{- end }}
{{- if $made }}{{ $_ := set $out "limits" $made }}{{ end }}
{{- with $out }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* A plain map, or the pair nodeLabelName and nodeLabelValue. */}}
{{- define "alumet-common.nodeSelector" -}}
{{- $given := .Values.nodeSelector | default dict -}}
{{- $out := dict -}}
{{- range $label, $value := omit $given "nodeLabelName" "nodeLabelValue" }}
  {{- if not (kindIs "invalid" $value) }}{{ $_ := set $out $label (include "alumet-common.text" $value) }}{{ end }}
{{- end }}
{{- if $given.nodeLabelName }}
  {{- $_ := set $out $given.nodeLabelName (include "alumet-common.text" $given.nodeLabelValue) }}
{{- else if $given.nodeLabelValue }}
  {{- fail (printf "%s.nodeSelector.nodeLabelValue is %q, but nodeLabelName says no label: set %s.nodeSelector.nodeLabelName" .Chart.Name (toString $given.nodeLabelValue) .Chart.Name) }}
{{- end }}
{{- with $out }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* A probe: the user's own, else `usual`; `enabled: false` takes it away. */}}
{{- define "alumet-common.probe" -}}
{{- $own := .own | default dict -}}
{{- if include "alumet-common.flag" (dict "value" $own.enabled "default" true) -}}
{{- with omit $own "enabled" | default .usual }}{{ toYaml . }}{{ end -}}
{{- end -}}
{{- end }}

{{/*
The agent stops in order on SIGINT only, and as process 1 it does not even see SIGTERM. The hook sends SIGINT to process
1, which is the agent unless the pod shares the PID namespace of the host: there it would be the init of the node.
*/}}
{{- define "alumet-common.lifecycle" -}}
{{- $values := .root.Values -}}
{{- if $values.lifecycle -}}
{{- toYaml $values.lifecycle -}}
{{- else if and (not .profile.hostPID) (include "alumet-common.flag" (dict "value" $values.gracefulStop "default" true)) -}}
preStop:
  exec:
    command: ["/bin/sh", "-c", "kill -INT 1"]
{{- end -}}
{{- end }}
