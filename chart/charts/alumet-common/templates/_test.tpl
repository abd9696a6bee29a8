{{/*
A `helm test` pod. Helm 3 shows hooks to no post-renderer, so pull secrets, registry and tolerations are rendered here,
and the pod carries no mark. Its name label differs from the agents': a DaemonSet adopts whatever matches its selector.
The agent's image has bash, and bash can open connections: no second image is needed.
*/}}
{{- define "alumet-common.testPod" -}}
{{- $values := .root.Values -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "alumet-common.fullname" . | trunc 40 | trimSuffix "-" }}-test-{{ .name }}
  labels:
    app.kubernetes.io/name: {{ .root.Chart.Name }}-test
    app.kubernetes.io/instance: {{ .root.Release.Name }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    seccompProfile:
      type: RuntimeDefault
  {{- with include "alumet-common.pullSecrets" .root }}
  imagePullSecrets:
    {{- range splitList "\n" . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: test
      image: {{ ($values.tests).image | default (include "alumet-common.image" .root) | quote }}
      imagePullPolicy: {{ ($values.image).pullPolicy | default "IfNotPresent" }}
      command: [/bin/bash, -c]
      args:
        - |
          {{- .script | nindent 10 }}
      {{- with .env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
{{- end }}

{{/* Shell functions of the test pods: `attempt` repeats a command for two minutes, `http` makes one request. */}}
{{- define "alumet-common.testScript" -}}
attempt() {
  for _ in $(seq 24); do "$@" && return; sleep 5; done
  return 1
}
http() {
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$HOST/$PORT" && printf "%s" "$REQUEST" >&3 && cat <&3'
}
{{- end }}
