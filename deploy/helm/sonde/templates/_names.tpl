{{- define "sonde.labels" -}}
app.kubernetes.io/name: sonde
app.kubernetes.io/part-of: sonde
{{- end -}}

{{- define "sonde.capabilities" -}}
{{- $capabilities := list "BPF" "PERFMON" "NET_ADMIN" "SYS_PTRACE" "DAC_READ_SEARCH" -}}
{{- if .Values.tlsBefore66 -}}{{- $capabilities = append $capabilities "SYS_ADMIN" -}}{{- end -}}
{{- toYaml $capabilities -}}
{{- end -}}
