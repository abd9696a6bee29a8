{{/* Values that do not go together. Each sentence names them, and the line to set. */}}
{{- define "injector.validate" -}}
{{- $mode := .Values.certificates.mode -}}
{{- $url := .Values.webhook.url -}}
{{- $bundle := .Values.webhook.caBundle -}}
{{- if and .Values.deployment.enabled .Values.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
  {{- fail "serviceMonitor.enabled is true, and metrics.service.enabled is false, so that there is no Service to monitor: set metrics.service.enabled=true" }}
{{- end }}
{{- if and (include "injector.asksTheCluster" $) (not (or .Values.serviceAccount.create .Values.serviceAccount.name)) }}
  {{- fail "serviceAccount.create is false and serviceAccount.name is not set, so that the account `default` of every pod of the namespace would get the injector's rights: set serviceAccount.name" }}
{{- end }}
{{- if not .Values.deployment.enabled -}}
  {{- if not $url }}
    {{- fail "deployment.enabled is false, and webhook.url names no server: set webhook.url=https://HOST:PORT/mutate" }}
  {{- end }}
{{- else if eq $mode "self-managed" -}}
  {{- if gt (int .Values.replicas) 1 }}
    {{- fail (printf "replicas is %d, and the self-managed mode is for one replica: set replicas=1, or certificates.mode=cert-manager or files" (int .Values.replicas)) }}
  {{- end }}
  {{- if $url }}
    {{- fail "webhook.url is set, and the self-managed certificate is for the Service alone: set certificates.mode=cert-manager or files, or deployment.enabled=false for a server outside of the cluster" }}
  {{- end }}
  {{- if $bundle }}
    {{- fail "webhook.caBundle is set, and with certificates.mode=self-managed the injector writes it: remove webhook.caBundle, or set certificates.mode=files" }}
  {{- end }}
{{- else if eq $mode "cert-manager" -}}
  {{- if $bundle }}
    {{- fail "webhook.caBundle is set, and with certificates.mode=cert-manager cert-manager writes it: remove webhook.caBundle, or set certificates.mode=files" }}
  {{- end }}
{{- else -}}
  {{- if not .Values.certificates.secretName }}
    {{- fail "certificates.mode is files, and certificates.secretName names no Secret: set certificates.secretName to one with the keys tls.crt and tls.key" }}
  {{- end }}
  {{- if not (or $bundle $url .Values.webhook.annotations) }}
    {{- fail "certificates.mode is files, and nothing tells the API server whom to trust: set webhook.caBundle to the PEM text of the authority, or webhook.annotations to those by which another program writes it" }}
  {{- end }}
{{- end }}
{{- end }}
