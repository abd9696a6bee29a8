{{/*
The annotation `injector.alumet.dev/values`: what the user set for one component, as data. Only what was set: a default
that stood here could not be told from a choice.
*/}}
{{- define "alumet-common.values" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $out := dict
      "agentVersion" (include "alumet-common.tag" $root)
      "release" $root.Release.Name
      "namespace" $root.Release.Namespace
      "config" (include "alumet-common.config" .) -}}
{{- with ($values.configMap).name }}
  {{- $_ := set $out "configMap" (dict "name" .) }}
{{- end }}
{{- $server := include "alumet-common.server" . | fromJson }}
{{- if $server }}
  {{- $_ := set $out "server" $server }}
{{- end }}
{{- if eq .component "relay-server" }}
  {{- $_ := set $out "influxdb" (include "alumet-common.influxdb" . | fromJson) }}
{{- end }}
{{- with include "alumet-common.registry" $root }}
  {{- $_ := set $out "image" (dict "registry" .) }}
{{- end }}
{{- /* The defaults are null, so an empty list is a choice: policies are to add nothing to it. */}}
{{- with include "alumet-common.pullSecrets" $root }}
  {{- $_ := set $out "imagePullSecrets" (splitList "\n" .) }}
{{- else }}
  {{- if or (kindIs "slice" $values.imagePullSecrets) (kindIs "slice" ($values.global).imagePullSecrets) }}
    {{- $_ := set $out "imagePullSecrets" list }}
  {{- end }}
{{- end }}
{{- if kindIs "slice" $values.tolerations }}
  {{- $_ := set $out "tolerations" $values.tolerations }}
{{- end }}
{{- $set := dict }}
{{- include "alumet-common.plugins" (dict "root" $root "key" .key "plugins" $set "secrets" dict) }}
{{- with $set }}
  {{- $_ := set $out "plugins" . }}
{{- end }}
{{- range $name := list "maxUpdateInterval" "sourceChannelSize" }}
  {{- with get $values $name }}
    {{- $_ := set $out $name . }}
  {{- end }}
{{- end }}
{{- with $values.extraConfig }}
  {{- $extra := . }}
  {{- if kindIs "map" . }}
    {{- $extra = dict }}
    {{- include "alumet-common.prune" (dict "from" . "into" $extra "keepEmpty" true) }}
  {{- end }}
  {{- $_ := set $out "extraConfig" $extra }}
{{- end }}
{{- $text := $out | toJson }}
{{- if gt (len $text) 65536 }}
  {{- fail (printf "%s: the values of the agent are %d bytes of JSON, the limit is 65536: put the configuration into an own ConfigMap and name it in configMap.name" $root.Chart.Name (len $text)) }}
{{- end }}
{{- $text }}
{{- end }}

{{/* The annotation as a line of YAML: readable where it can be, escaped where it must be. */}}
{{- define "alumet-common.annotation" -}}
{{- $text := include "alumet-common.values" . -}}
injector.alumet.dev/values: {{ if regexMatch "^[ -~]*$" $text }}'{{ $text | replace "'" "''" }}'{{ else }}{{ $text | quote }}{{ end }}
{{- end }}

{{/*
Copies `from` into `into` without nulls, without empty maps, and without the empty strings that old values files write
where they mean "not set". With `keepEmpty` nulls alone are left out: an empty table of TOML says something.
*/}}
{{- define "alumet-common.prune" -}}
{{- $unset := list "enable" "enabled" "existingSecret" "secretName" "secretKey" "host" "port" "organization" "org" "bucket" "attribute_as" "attributes_as" "relay_server" "client_name" "k8s_node" "username" "password" "login" "token" "database" "collection" -}}
{{- range $key, $value := .from }}
  {{- if kindIs "map" $value }}
    {{- $inner := dict }}
    {{- include "alumet-common.prune" (dict "from" $value "into" $inner "keepEmpty" $.keepEmpty) }}
    {{- if or $inner $.keepEmpty }}
      {{- $_ := set $.into $key $inner }}
    {{- end }}
  {{- else if kindIs "invalid" $value }}
  {{- else if and (not $.keepEmpty) (kindIs "string" $value) (not $value) (has $key $unset) }}
  {{- else }}
    {{- $_ := set $.into $key $value }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
The plugin settings into `plugins`, each secret replaced by a reference, and the secrets themselves into `secrets`, as
their Secret holds them. Which path is a secret stands in files/needs.json.
*/}}
{{- define "alumet-common.plugins" -}}
{{- $name := include "alumet-common.credentials" . -}}
{{- $plugins := .plugins -}}
{{- $secrets := .secrets -}}
{{- include "alumet-common.prune" (dict "from" (.root.Values.plugins | default dict) "into" $plugins) }}
{{- range $plugin, $needs := (include "alumet-common.needs" .root | fromJson).plugins }}
  {{- range $alias := $needs.aliases }}
    {{- range $row := $needs.secrets }}
      {{- $at := get $plugins $alias }}
      {{- range initial $row.path }}
        {{- $at = ternary (get ($at | default dict) .) dict (kindIs "map" $at) }}
      {{- end }}
      {{- $leaf := last $row.path }}
      {{- if and (kindIs "map" $at) (hasKey ($at | default dict) $leaf) }}
        {{- $value := get $at $leaf }}
        {{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
          {{- $text := include "alumet-common.text" $value }}
          {{- if eq $row.encoding "percent" }}
            {{- $text = $text | urlquery | replace "+" "%20" }}
          {{- end }}
          {{- $_ := set $secrets $row.key $text }}
          {{- $_ := set $at $leaf (dict "fromSecret" (dict "name" $name "key" $row.key)) }}
        {{- end }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Where the relay server listens, as JSON; `{}` when the release has none and nobody named one. */}}
{{- define "alumet-common.server" -}}
{{- if eq .component "relay-server" -}}
{{- dict "service" (include "alumet-common.fullname" .) "port" (include "alumet-relay-server.port" .root | int) | toJson -}}
{{- else -}}
{{- $shared := dict "root" .root "key" "server" -}}
{{- $name := include "alumet-common.shared" (merge (dict "field" "fullname") $shared) -}}
{{- if or $name (include "alumet-common.deployed" $shared) -}}
{{- $port := include "alumet-common.shared" (merge (dict "field" "port") $shared) | default "50051" -}}
{{- dict "service" (include "alumet-common.sibling" (merge (dict "chart" "alumet-relay-server") $shared)) "port" ($port | int) | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The database of the release, as JSON. The umbrella chart fails the render where it differs from what stands here. */}}
{{- define "alumet-common.influxdb" -}}
{{- $shared := dict "root" .root "key" "influxdb" -}}
{{- if include "alumet-common.deployed" $shared -}}
{{- $settings := (.root.Values.plugins).influxdb | default dict -}}
{{- $name := include "alumet-common.sibling" (merge (dict "chart" "influxdb2") $shared) -}}
{{- $secret := include "alumet-common.shared" (merge (dict "field" "secretName") $shared) -}}
{{- if not $settings.host }}{{- $secret = $settings.existingSecret | default $settings.secretName | default $secret }}{{- end -}}
{{- dict
      "deployed" true
      "service" $name
      "port" (include "alumet-common.shared" (merge (dict "field" "port") $shared) | default "80" | int)
      "secretName" ($secret | default (printf "%s-auth" $name))
      "organization" (include "alumet-common.shared" (merge (dict "field" "organization") $shared) | default "influxdata")
      "bucket" (include "alumet-common.shared" (merge (dict "field" "bucket") $shared) | default "default") | toJson -}}
{{- else -}}
{{- dict "deployed" false | toJson -}}
{{- end -}}
{{- end }}
