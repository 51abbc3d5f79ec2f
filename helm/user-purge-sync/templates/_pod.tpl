{{/* What the pods of workers and of jobs have in common. */}}

{{/* The files of the ConfigMap, which are also what a pod is rolled for. */}}
{{- define "user-purge-sync.files" -}}
config.toml: |
  # Written by the chart from `config`{{ if .Values.global }} and Sunbird's values{{ end }}. The rest is the program's default.
  {{- include "user-purge-sync.toml" (dict "table" (include "user-purge-sync.config" . | fromJson) "path" list) | nindent 2 }}
{{- end -}}

{{/* Names of the Secrets by which the workers are restarted: comma-separated. */}}
{{- define "user-purge-sync.watchedSecrets" -}}
{{- $names := list -}}
{{- range .Values.secrets -}}{{- $names = append $names .name -}}{{- end -}}
{{- range .Values.certificates -}}{{- with .secret -}}{{- $names = append $names . -}}{{- end -}}{{- end -}}
{{- $names | uniq | sortAlpha | join "," -}}
{{- end -}}

{{/* `hook`: of the copies that a hook has, which runs before the release's own resources are there. */}}
{{- define "user-purge-sync.podSpec" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
serviceAccountName: {{ ternary "default" (include "user-purge-sync.serviceAccountName" $root) (not (empty .hook)) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- $pullSecrets := $values.image.pullSecrets }}
{{- range $values.imagePullSecrets }}{{ $pullSecrets = append $pullSecrets .name }}{{ end }}
{{- with $pullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "user-purge-sync.fullname" $root }}{{ if .hook }}-check{{ end }}
  {{- range $name, $source := $values.certificates }}
  - name: certificates-{{ $name }}
    {{- if $source.secret }}
    secret:
      secretName: {{ $source.secret }}
    {{- else }}
    configMap:
      name: {{ $source.configMap }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* The container without its arguments, resources and probes. */}}
{{- define "user-purge-sync.container" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
name: user-purge-sync
image: {{ include "user-purge-sync.image" $root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
securityContext:
  {{- toYaml $values.securityContext | nindent 2 }}
# What ended it stands in `kubectl describe pod`.
terminationMessagePolicy: FallbackToLogsOnError
{{- $sunbird := include "user-purge-sync.sunbirdSecrets" $root | fromJson }}
{{- if or $values.secrets $sunbird $values.extraEnv }}
env:
  {{- range $key, $reference := $values.secrets }}
  - name: {{ include "user-purge-sync.variable" $key }}
    valueFrom:
      secretKeyRef:
        name: {{ $reference.name }}
        key: {{ $reference.key }}
  {{- end }}
  {{- range $key, $_ := $sunbird }}
  - name: {{ include "user-purge-sync.variable" $key }}
    valueFrom:
      secretKeyRef:
        name: {{ include "user-purge-sync.fullname" $root }}-{{ ternary "check" "sunbird" (not (empty $.hook)) }}
        key: {{ $key }}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with $values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/user-purge-sync/config.toml
    subPath: config.toml
    readOnly: true
  {{- range $name, $_ := $values.certificates }}
  - name: certificates-{{ $name }}
    mountPath: /etc/user-purge-sync/certificates/{{ $name }}
    readOnly: true
  {{- end }}
{{- end -}}

{{- define "user-purge-sync.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
{{ toYaml .numbers }}
{{- end -}}

{{- define "user-purge-sync.args" -}}
[{{ range concat (list "--config" "/etc/user-purge-sync/config.toml") . | initial }}{{ toJson . }}, {{ end }}{{ last . | toJson }}]
{{- end -}}

{{/* A CronJob. Its exit codes decide: 69 is an outage and worth another try, all others are for a person. */}}
{{- define "user-purge-sync.cronJob" -}}
{{- $root := .root -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  {{- include "user-purge-sync.metadata" (dict "root" $root "suffix" .name "component" .name) | nindent 2 }}
spec:
  schedule: {{ .values.schedule | quote }}
  {{- with .values.timeZone }}
  timeZone: {{ . }}
  {{- end }}
  concurrencyPolicy: Forbid
  # Missed while the controller was away: still begun within the hour.
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      activeDeadlineSeconds: {{ int .values.timeoutSeconds }}
      backoffLimit: 3
      {{- include "user-purge-sync.podFailurePolicy" $root | nindent 6 }}
      template:
        metadata:
          labels:
            {{- include "user-purge-sync.podLabels" (dict "root" $root "component" .name) | nindent 12 }}
        spec:
          {{- include "user-purge-sync.podSpec" (dict "root" $root) | nindent 10 }}
          restartPolicy: Never
          containers:
            - {{ include "user-purge-sync.container" (dict "root" $root) | nindent 14 | trim }}
              args: {{ include "user-purge-sync.args" .args }}
              resources:
                {{- toYaml (.values.resources | default $root.Values.resources) | nindent 16 }}
{{- end -}}

{{/* On by default from Kubernetes 1.26; before, every failure is tried again. */}}
{{- define "user-purge-sync.podFailurePolicy" -}}
{{- if semverCompare ">=1.26.0-0" .Capabilities.KubeVersion.Version -}}
podFailurePolicy:
  rules:
    # 1 something is left, 64 wrong configuration, 70 held: asking again changes nothing.
    - action: FailJob
      onExitCodes:
        containerName: user-purge-sync
        operator: In
        values: [1, 64, 70]
{{- end -}}
{{- end -}}
