{{/*
What one chart cannot see of another. A subchart knows its own values and the global ones; where the values of two
charts must agree and do not, the render ends with the line to set.
*/}}

{{/* Names and ports that other charts of the release compute. Arguments: root, key, chart, port. */}}
{{- define "alumet.validateNames" -}}
{{- $values := index .root.Values .chart -}}
{{- $shared := include "alumet-common.shared" (dict "root" .root "key" .key "field" "fullname") -}}
{{- $known := include "alumet-common.rule" (dict "release" .root.Release.Name "chart" .chart "shared" $shared) -}}
{{- $real := include "alumet-common.rule" (dict
      "release" .root.Release.Name
      "chart" .chart
      "nameOverride" $values.nameOverride
      "fullnameOverride" $values.fullnameOverride
      "shared" $shared) -}}
{{- if ne $known $real }}
{{- fail (printf "%s is called %q by its own nameOverride or fullnameOverride, and %q by the other charts of the release: set global.alumet.%s.fullname=%s" .chart $real $known .key $real) }}
{{- end }}
{{- end }}

{{- define "alumet.validate" -}}
{{- $server := index .Values "alumet-relay-server" -}}
{{- $client := index .Values "alumet-relay-client" -}}
{{- $database := .Values.influxdb2 -}}
{{- $influxdb := ($server.plugins).influxdb | default dict -}}
{{- $serverOn := include "alumet.enabled" $server -}}
{{- $databaseOn := include "alumet.enabled" $database -}}
{{- $writes := include "alumet.writes" $ -}}
{{- $stated := get ((.Values.global).alumet | default dict) "influxdb" | default dict -}}

{{- range $key, $chart := dict "server" "alumet-relay-server" "influxdb" "influxdb2" }}
  {{- $real := include "alumet.enabled" (index $.Values $chart) }}
  {{- $known := include "alumet-common.deployed" (dict "root" $ "key" $key) }}
  {{- if ne $real $known }}
    {{- $right := $real | default "false" }}
    {{- fail (printf "%s.enabled is %s, but global.alumet.%s.deployed, which the other charts read, is not; it is kept from an earlier release by --reuse-values, or was set: set global.alumet.%s.deployed=%s, or upgrade with --reset-then-reuse-values" $chart $right $key $key $right) }}
  {{- end }}
{{- end }}

{{- if $serverOn }}
  {{- include "alumet.validateNames" (dict "root" $ "key" "server" "chart" "alumet-relay-server") }}
  {{- $relay := dict }}
  {{- range list "relay-client" "relay_client" "relayClient" }}
    {{- $relay = merge $relay (get ($client.plugins | default dict) . | default dict) }}
  {{- end }}
  {{- $known := $relay.port | default (include "alumet-common.shared" (dict "root" $ "key" "server" "field" "port")) | default 50051 | int }}
  {{- $real := ($server.service).port | default (include "alumet-common.shared" (dict "root" $ "key" "server" "field" "port")) | default 50051 | int }}
  {{- if and (include "alumet.enabled" $client) (not $relay.relay_server) (ne $known $real) }}
    {{- fail (printf "alumet-relay-server.service.port is %d, and the relay clients would send to port %d: set global.alumet.server.port=%d, and neither of alumet-relay-server.service.port and alumet-relay-client.plugins.relay_client.port" $real $known $real) }}
  {{- end }}
{{- end }}

{{- if $databaseOn }}
  {{- include "alumet.validateNames" (dict "root" $ "key" "influxdb" "chart" "influxdb2") }}
  {{- $old := $database.existingSecret | default "" }}
  {{- if and $old (ne $old (($database.adminUser).existingSecret | default "")) }}
    {{- fail (printf "influxdb2.existingSecret is read by nothing: set influxdb2.adminUser.existingSecret=%s" $old) }}
  {{- end }}
{{- end }}

{{- if and $databaseOn $writes (not $influxdb.host) }}
  {{- $own := printf "%s-auth" (include "alumet-common.rule" (dict
        "release" .Release.Name
        "chart" "influxdb2"
        "nameOverride" $database.nameOverride
        "fullnameOverride" $database.fullnameOverride
        "shared" $stated.fullname)) }}
  {{- $made := ($database.adminUser).existingSecret | default $own }}
  {{- $read := $influxdb.existingSecret | default $influxdb.secretName | default $stated.secretName | default $own }}
  {{- if and (ne $made $read) (not $influxdb.token) }}
    {{- fail (printf "InfluxDB takes its credentials from Secret %q and the relay server its token from Secret %q; set both lines to the same name: influxdb2.adminUser.existingSecret=%s and alumet-relay-server.plugins.influxdb.existingSecret=%s" $made $read (ternary $read $made (eq $made $own)) (ternary $read $made (eq $made $own))) }}
  {{- end }}
  {{- $admin := $database.adminUser | default dict }}
  {{- range $field, $usual := dict "organization" "influxdata" "bucket" "default" }}
    {{- $made := include "alumet-common.text" (get $admin $field | default (get $stated $field) | default $usual) }}
    {{- $chosen := get $influxdb $field }}
    {{- if eq $field "organization" }}{{ $chosen = $chosen | default $influxdb.org }}{{ end }}
    {{- $known := include "alumet-common.text" ($chosen | default (get $stated $field) | default $usual) }}
    {{- if and (not $chosen) (ne $made $known) }}
      {{- fail (printf "influxdb2.adminUser.%s is %q, and the relay server would write to %q: set alumet-relay-server.plugins.influxdb.%s=%s" $field $made $known $field $made) }}
    {{- end }}
  {{- end }}
  {{- $port := ($database.service).port | default $stated.port | default 80 | int }}
  {{- if ne $port ($stated.port | default 80 | int) }}
    {{- fail (printf "influxdb2.service.port is %d, and the relay server would write to port %d: set global.alumet.influxdb.port=%d" $port ($stated.port | default 80 | int) $port) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The full name of a subchart as it calls itself. */}}
{{- define "alumet.siblingName" -}}
{{- $values := index .root.Values .chart -}}
{{- include "alumet-common.rule" (dict
      "release" .root.Release.Name
      "chart" .chart
      "nameOverride" $values.nameOverride
      "fullnameOverride" $values.fullnameOverride
      "shared" (include "alumet-common.shared" (dict "root" .root "key" .key "field" "fullname"))) -}}
{{- end }}

{{/* Whether a subchart is part of the release, as Helm's `condition` reads it. */}}
{{- define "alumet.enabled" -}}
{{- include "alumet-common.flag" (dict "value" .enabled "default" true) -}}
{{- end }}

{{/* Whether the release has a relay server that writes to an InfluxDB. */}}
{{- define "alumet.writes" -}}
{{- $server := index .Values "alumet-relay-server" -}}
{{- $influxdb := ($server.plugins).influxdb | default dict -}}
{{- $choice := ternary $influxdb.enable $influxdb.enabled (kindIs "invalid" $influxdb.enabled) -}}
{{- if include "alumet.enabled" $server -}}
{{- include "alumet-common.flag" (dict "value" $choice "default" true) -}}
{{- end -}}
{{- end }}
