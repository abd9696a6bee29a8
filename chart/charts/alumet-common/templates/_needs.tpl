{{/* What each plugin needs of a node; generated, the same file in both charts. */}}
{{- define "alumet-common.needs" -}}
{{- .Files.Get "files/needs.json" | default "{\"plugins\":{},\"always\":{}}" -}}
{{- end }}

{{/* A scalar as text. Helm reads numbers as floats, and would write 12345678 as 1.2345678e+07. */}}
{{- define "alumet-common.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if not (kindIs "invalid" .) }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* "true" when `value` says so, also as a string; `default` when nothing was set. */}}
{{- define "alumet-common.flag" -}}
{{- if or (kindIs "invalid" .value) (eq (toString .value) "") }}{{ if .default }}true{{ end }}
{{- else if has (lower (toString .value)) (list "true" "yes" "on" "1") }}true{{ end -}}
{{- end }}

{{/*
What the enabled plugins of a component need, as JSON: capabilities, hostPID, hostPaths by path, gpus, apiAccess, root,
and `settings`, the plugins' own settings under the agent's names.
*/}}
{{- define "alumet-common.privileges" -}}
{{- $root := .root -}}
{{- $needs := include "alumet-common.needs" $root | fromJson -}}
{{- $usual := ternary (list "k8s" "relay-client") (list "influxdb" "relay-server") (eq .component "relay-client") -}}
{{- $capabilities := list -}}
{{- $paths := dict -}}
{{- $settings := dict -}}
{{- $out := dict "hostPID" false "apiAccess" false "root" false -}}
{{- $gpus := list -}}
{{- range $plugin, $needed := $needs.plugins }}
  {{- $on := has $plugin $usual }}
  {{- $own := dict }}
  {{- range $alias := $needed.aliases }}
    {{- with get ($root.Values.plugins | default dict) $alias }}
      {{- $own = merge (deepCopy .) $own }}
    {{- end }}
  {{- end }}
  {{- $choice := $own.enabled }}
  {{- if kindIs "invalid" $choice }}{{ $choice = $own.enable }}{{ end }}
  {{- if include "alumet-common.flag" (dict "value" $choice "default" $on) }}
    {{- $_ := set $settings $plugin $own }}
    {{- $capabilities = concat $capabilities ($needed.capabilities | default list) }}
    {{- range $needed.hostPaths }}
      {{- $before := get $paths .path | default (dict "readOnly" true) }}
      {{- $_ := set $paths .path (dict "readOnly" (and $before.readOnly .readOnly)) }}
    {{- end }}
    {{- if $needed.hostPID }}{{ $_ := set $out "hostPID" true }}{{ end }}
    {{- if $needed.apiAccess }}{{ $_ := set $out "apiAccess" true }}{{ end }}
    {{- if $needed.runAsRoot }}{{ $_ := set $out "root" true }}{{ end }}
    {{- with $needed.gpu }}{{ $gpus = append $gpus . }}{{ end }}
  {{- end }}
{{- end }}
{{- $_ := set $out "needed" ($capabilities | uniq | sortAlpha) }}
{{- $_ := set $out "capabilities" (concat (($needs.always).capabilities | default list) $capabilities | uniq | sortAlpha) }}
{{- $_ := set $out "gpus" ($gpus | uniq) }}
{{- $_ := set $out "hostPaths" $paths }}
{{- $_ := set $out "settings" $settings }}
{{- $out | toJson }}
{{- end }}

{{/* The port of the Prometheus exporter when it is on, else nothing. */}}
{{- define "alumet-common.exporterPort" -}}
{{- $settings := (include "alumet-common.privileges" . | fromJson).settings -}}
{{- if hasKey $settings "prometheus-exporter" -}}
{{- (get $settings "prometheus-exporter").port | default 9091 | int -}}
{{- end -}}
{{- end }}
