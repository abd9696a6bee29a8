{{/* The port that the agent listens on: the one of the Service, unless the plugin was given an address. */}}
{{- define "alumet-relay-server.listenPort" -}}
{{- $settings := get (include "alumet-common.privileges" . | fromJson).settings "relay-server" | default dict -}}
{{- $address := include "alumet-common.text" $settings.address -}}
{{- if regexMatch "(^|^[^:]+:|\\]:)[0-9]+$" $address -}}
{{- regexFind "[0-9]+$" $address -}}
{{- else -}}
{{- include "alumet-relay-server.port" .root -}}
{{- end -}}
{{- end }}

{{- define "alumet-relay-server.port" -}}
{{- (.Values.service).port | default (include "alumet-common.shared" (dict "root" . "key" "server" "field" "port")) | default 50051 | int -}}
{{- end }}

{{- define "alumet-relay-server.connectionTest" -}}
reached() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$HOST/$PORT"'; }
if attempt reached; then
  echo "the relay server listens at $HOST:$PORT"
else
  echo "nothing listens at $HOST:$PORT: look at the logs of the relay server" >&2
  exit 1
fi
{{- end }}

{{/* Asks InfluxDB which metrics and which relay clients it has seen in the last minutes. */}}
{{- define "alumet-relay-server.measurementsTest" -}}
ask() {
  local flux="from(bucket: $BUCKET) |> range(start: -10m) |> keep(columns: [\"$1\"]) |> group() |> distinct(column: \"$1\")"
  REQUEST=$(printf '%s\r\n' \
    "POST /api/v2/query?org=$ORGANIZATION HTTP/1.0" "Host: $HOST" "Authorization: Token $TOKEN" \
    "Content-Type: application/vnd.flux" "Accept: application/csv" "Content-Length: ${#flux}" "" "$flux")
  export REQUEST
  http | tr -d '\r' | sed -n 's/^,_result,[0-9]*,//p'
}
metrics() { [ -n "$(ask _measurement)" ]; }
if attempt metrics; then
  echo "metrics in InfluxDB:"; ask _measurement
  echo "relay clients that sent points:"; ask relay_client
else
  echo "no point in bucket $BUCKET of InfluxDB: look at the logs of the relay server and of the relay clients" >&2
  exit 1
fi
{{- end }}
