{{/* The worker's configuration: what is taken from Sunbird's values, what it becomes as a file, what follows from it. */}}

{{/* Sets `key` (dotted) in `config` unless it is there already, an empty value included: it may have been meant. */}}
{{- define "user-purge-sync.default" -}}
{{- $at := .config -}}
{{- $path := splitList "." .key -}}
{{- range initial $path -}}
  {{- if not (hasKey $at .) -}}{{- $_ := set $at . dict -}}{{- end -}}
  {{- $at = get $at . -}}
{{- end -}}
{{- if not (hasKey $at (last $path)) -}}{{- $_ := set $at (last $path) .value -}}{{- end -}}
{{- end -}}

{{/* Where Keycloak's database is in Sunbird's values: {host, port, username, password}. YugabyteDB in Spark; where there are both,
     the one that is to make a database of that name, as in installations that have moved in part. */}}
{{- define "user-purge-sync.sunbirdDatabase" -}}
{{- $postgresql := .Values.global.postgresql | default dict -}}
{{- $yugabyte := .Values.global.yugabyte | default dict -}}
{{- $moved := and (contains "\"keycloak\"" (toJson $yugabyte.databases)) (not (contains "\"keycloak\"" (toJson $postgresql.databases))) -}}
{{- if and (or $postgresql.host (not $yugabyte.host)) (not $moved) -}}
{{ dict "host" $postgresql.host "port" $postgresql.port
    "username" $postgresql.postgresqlUsername "password" $postgresql.postgresqlPassword | toJson }}
{{- else -}}
{{ dict "host" $yugabyte.host "port" $yugabyte.postgresql_port "username" $yugabyte.username "password" $yugabyte.password | toJson }}
{{- end -}}
{{- end -}}

{{/* Whether a secret comes from a Secret or a file of the values' own: not empty then. `list $ section key` */}}
{{- define "user-purge-sync.hasSecret" -}}
{{- $values := (index . 0).Values -}}
{{- $section := get $values.config (index . 1) | default dict -}}
{{- if or (hasKey $values.secrets (printf "%s.%s" (index . 1) (index . 2))) (get $section (printf "%s_file" (index . 2))) -}}
yes
{{- end -}}
{{- end -}}

{{/* `config`, with what Sunbird's values say where it says nothing. */}}
{{- define "user-purge-sync.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $global := .Values.global -}}
{{- $found := dict -}}
{{- with $global.env -}}{{- $_ := set $found "env" (toString .) -}}{{- end -}}
{{- with $global.kafka -}}{{- if .host -}}
  {{- $_ := set $found "kafka.brokers" (printf "%s:%v" .host (.port | default 9092)) -}}
{{- end -}}{{- end -}}
{{- $cassandra := $global.cassandra | default dict -}}
{{- $tables := ternary $cassandra ($global.yugabyte | default dict) (not (empty $cassandra.host)) -}}
{{- with $tables.host -}}{{- $_ := set $found "cassandra.hosts" (splitList "," (. | replace " " "")) -}}{{- end -}}
{{- with $tables.port -}}{{- $_ := set $found "cassandra.port" (int .) -}}{{- end -}}
{{- with $cassandra.consistency_level -}}{{- $_ := set $found "cassandra.consistency_level" . -}}{{- end -}}
{{- $database := include "user-purge-sync.sunbirdDatabase" . | fromJson -}}
{{- with $database.host -}}{{- $_ := set $found "keycloak.host" . -}}{{- end -}}
{{- with $database.port -}}{{- $_ := set $found "keycloak.port" (int .) -}}{{- end -}}
{{- if and $database.username $database.password (not (include "user-purge-sync.hasSecret" (list . "keycloak" "password"))) -}}
  {{- $_ := set $found "keycloak.username" $database.username -}}
{{- end -}}
{{- if $global.opensearch -}}{{- $_ := set $found "sync.endpoint" "http://lern-service:9000/v1/data/sync" -}}{{- end -}}
{{- with $global.opensearch | default $global.elasticsearch -}}{{- if .host -}}
  {{- $_ := set $found "search.endpoint" (printf "http://%s:%v" .host (.port | default 9200)) -}}
{{- end -}}{{- end -}}
{{- with $global.domain -}}{{- $_ := set $found "keycloak.admin_api.url" (printf "https://%s/auth" .) -}}{{- end -}}
{{- range $key, $value := $found -}}
  {{- include "user-purge-sync.default" (dict "config" $config "key" $key "value" $value) -}}
{{- end -}}
{{- $config | toJson -}}
{{- end -}}

{{/* What is in effect: the program's own defaults under it. */}}
{{- define "user-purge-sync.effective" -}}
{{- $defaults := .Files.Get "files/default.toml" | fromToml -}}
{{- mergeOverwrite $defaults (include "user-purge-sync.config" . | fromJson) | toJson -}}
{{- end -}}

{{/* A table as TOML. JSON's strings, numbers, booleans and lists are TOML's; Helm's toToml turns 1 into 1.0. */}}
{{- define "user-purge-sync.toml" -}}
{{- range $key, $value := .table -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "user-purge-sync.tomlKey" $key }} = {{ toJson $value }}
{{- end -}}
{{- end -}}
{{- range $key, $value := .table -}}
{{- if kindIs "map" $value }}
{{- $path := append $.path (include "user-purge-sync.tomlKey" $key) }}

[{{ join "." $path }}]
{{- include "user-purge-sync.toml" (dict "table" $value "path" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "user-purge-sync.tomlKey" -}}
{{- ternary . (toJson .) (regexMatch "^[A-Za-z0-9_-]+$" .) -}}
{{- end -}}

{{/* The environment variable of a key. Properties of librdkafka lose their dots. */}}
{{- define "user-purge-sync.variable" -}}
{{- $prefix := "kafka.properties." -}}
{{- if hasPrefix $prefix . -}}
USER_PURGE_SYNC__KAFKA__PROPERTIES__{{ trimPrefix $prefix . | replace "." "_" | upper }}
{{- else -}}
USER_PURGE_SYNC__{{ replace "." "__" . | upper }}
{{- end -}}
{{- end -}}

{{/* Whole seconds of a duration such as 25s, 2min or 1h 30min, rounded up. */}}
{{- define "user-purge-sync.seconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "min" 60000 "h" 3600000 "d" 86400000 -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+(ms|min|s|h|d)" . -1 -}}
  {{- $total = add $total (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- div (add $total 999) 1000 -}}
{{- end -}}

{{/* Secrets that Sunbird's values hold in the clear: they go into a Secret of the release, never into a ConfigMap. */}}
{{- define "user-purge-sync.sunbirdSecrets" -}}
{{- $found := dict -}}
{{- $database := include "user-purge-sync.sunbirdDatabase" . | fromJson -}}
{{- if and $database.username $database.password (not (include "user-purge-sync.hasSecret" (list . "keycloak" "password"))) -}}
  {{- if eq $database.username (include "user-purge-sync.config" . | fromJson).keycloak.username -}}
    {{- $_ := set $found "keycloak.password" $database.password -}}
  {{- end -}}
{{- end -}}
{{- /* The gateway asks for it, the service behind it does not: never sent in the clear. */ -}}
{{- $endpoint := ((include "user-purge-sync.config" . | fromJson).sync | default dict).endpoint | default "" -}}
{{- if and (hasPrefix "https://" $endpoint) (not (include "user-purge-sync.hasSecret" (list . "sync" "api_key"))) -}}
  {{- with .Values.global.sunbird_admin_api_token -}}{{- $_ := set $found "sync.api_key" . -}}{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}

{{/* What cannot be meant. Said here, since a schema cannot say it so that it is understood. */}}
{{- define "user-purge-sync.refuse" -}}
{{- $config := .Values.config -}}
{{- range $key := list "cassandra.password" "keycloak.password" "keycloak.admin_api.client_secret" "sync.api_key" -}}
  {{- $at := $config -}}
  {{- range splitList "." $key -}}{{- $at = get (ternary $at (dict) (kindIs "map" $at)) . -}}{{- end -}}
  {{- if $at -}}
    {{- include "user-purge-sync.refusePassword" $key -}}
  {{- end -}}
{{- end -}}
{{- range $property, $_ := ($config.kafka | default dict).properties -}}
  {{- if regexMatch "password|secret|jaas|key[.]pem|oauthbearer[.]config" $property -}}
    {{- include "user-purge-sync.refusePassword" (print "kafka.properties." $property) -}}
  {{- end -}}
  {{- if and (eq $property "group.instance.id") (or $.Values.autoscaling.enabled (gt (int $.Values.replicaCount) 1)) -}}
    {{- fail (print "config.kafka.properties.group.instance.id is one name for all workers, and each new holder of it ends the "
        "one before: remove it, or set replicaCount to 1") -}}
  {{- end -}}
{{- end -}}
{{- $effective := include "user-purge-sync.effective" . | fromJson -}}
{{- if not $effective.purge.mode -}}
  {{- fail "config.purge.mode must say what happens to people's rows: dry-run, delete or off" -}}
{{- end -}}
{{- $drain := include "user-purge-sync.seconds" $effective.drain_timeout | int -}}
{{- if le (int .Values.rollout.minReadySeconds) (mul 2 $drain) -}}
  {{- fail (printf "rollout.minReadySeconds must be more than twice config.drain_timeout (%s), or the next worker leaves %s"
      $effective.drain_timeout "while the group is still moving partitions") -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
  {{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}

{{- define "user-purge-sync.refusePassword" -}}
{{- fail (printf "config.%s would stand in a ConfigMap: put it into a Secret, and name that:  secrets: {%s: {name: …, key: …}}" . .) -}}
{{- end -}}
