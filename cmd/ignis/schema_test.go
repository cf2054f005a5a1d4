package main

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/schematest"
)

// everything is a file with every key, also those within lists.
const everything = `listen:
  - ":1"
  - {address: "unix:/run/ignis.sock", mode: "0600", tls: false, proxy_protocol: true}
unix_mode: "0660"
path: /ws
dev: false
allowed_origins: ["https://app.example"]
default_rooms: [news]
encryption: optional
compress: true
plain_io: false
tls: {cert_file: c, key_file: k, client_ca_file: a, client_auth: required, acme: {domains: [rt.example.com], cache_dir: d, email: e, http_listen: ":80", directory_url: "https://a.example/", ca_file: c}}
proxies: {trusted: [10.0.0.0/8, unix], header: Forwarded, protocol: true}
redis: {url: "redis://h", url_file: f, prefix: "p:", required: true}
log:
  format: json
  level: warn
  levels: {program: info, server: debug, redis: warn, webhook: error, tokens: info, access: info, listen: info, http: info}
metrics: {listen: "127.0.0.1:9464"}
pprof: true
tokens:
  secret_file: f
  public_key_files: [p]
  jwks:
    - https://a.example/jwks
    - {url: "https://b.example/jwks", algorithms: [RS256], refresh: 1m, min_refresh: 10s, timeout: 5s, ca_file: c}
  issuers: [i]
  audiences: [a]
  keys:
    - {secret_file: f, id: k, algorithms: [HS256]}
    - {public_key_file: f}
  leeway: 5s
  expiry_leeway: off
  user_claim: uid
  rooms_claim: r
  info_claim: n
webhook:
  url: https://app.example/hook
  secret_files: [s]
  authenticate: false
  events: [connected, joined, left, disconnected]
  messages: tell
  headers: [Cookie]
  timeout: 2s
  max_concurrent: 5
  max_answer: 1KiB
  queue_events: 5
  queue_bytes: 1MiB
  event_max_age: 1m
  ca_file: c
api:
  listen: [":2", {address: ":3", tls: false}]
  path: /v
  keys:
    - {id: shop, hashes: ["sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"], scopes: [publish, manage, read], rooms: ["team-*"], rate: 5, burst: 5}
    - {id: b, hashes: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", scopes: read, rate: off}
rooms:
  - {match: "a-*", join: anyone}
  - {match: "b-{x}", join: {claim: c, of: x}, send: {events: [say], from: anyone, to: both}}
  - {match: c, join: {claim: c, is: [x, y]}, send: [{events: [typing], except_sender: true}, {events: say, to: webhook}]}
limits:
  max_handshakes: 5
  handshake_timeout: 1s
  max_clients: auto
  max_clients_per_address: off
  max_clients_per_user: 5
  user_policy: close-oldest
  upgrade_rate: 5
  upgrade_burst: 5
  upgrade_rate_per_address: 5
  upgrade_burst_per_address: 5
  auth_failure_rate: off
  auth_failure_burst: 5
  auth_concurrency: 5
  auth_queue: 5
  max_token: 8KiB
  message_rate: 5
  message_burst: 5
  byte_rate: off
  byte_burst: 1MiB
  throttle_timeout: 1s
  join_rate: 5
  join_burst: 5
  memory_limit: auto
  max_rooms: 5
  max_payload: 1024
  max_message: 1MiB
  auth_max_payload: 1KiB
  auth_max_frames: 5
  auth_max_mistakes: 5
  backpressure_limit: 1MiB
  slow_clients: latest
  auth_timeout: 1s
  heartbeat_interval: 1s
  heartbeat_timeout: 1s
  write_timeout: 1s
  behind_timeout: 1s
  idle_timeout: off
  shutdown_timeout: 1s
  drain_delay: 1s
  drain_window: auto
  max_connection_age: 1h
`

// wrongFiles are files that neither the decoder nor the schema accepts.
var wrongFiles = []string{
	"[]", "text", "5", "nothing: 1", "listen: {}", "listen: 8080", "listen: [8080]", "listen: [{}]", "listen: [{address: ':1', port: 2}]",
	"listen: [{address: 1}]", "listen: nowhere", "listen: [{address: ':1', tls: 'yes'}]", "listen: [{address: ':1', mode: 600}]",
	"tls: {cert: x}", "tls: [x]", "tls: {client_auth: maybe}", "tls: {acme: rt.example.com}", "tls: {acme: {domains: [localhost]}}", "tls: {acme: {domains: ['*.example.com']}}", "tls: {acme: {http_listen: 80}}", "proxies: {trusted: example.com}", "proxies: {trusted: [[10.0.0.0/8]]}",
	"tokens: {secret: x}", "tokens: {keys: {}}", "tokens: {keys: [x]}", "tokens: {keys: [{file: x}]}", "tokens: {keys: [{id: 5}]}",
	"tokens: {jwks: ftp://x}", "tokens: {jwks: [{}]}", "tokens: {jwks: [{url: 'https://a', every: 1m}]}", "tokens: {jwks: [{url: 'https://a', refresh: 5}]}",
	"tokens: {jwks: [{url: 'https://a', refresh: soon}]}", "tokens: {leeway: -5s}", "tokens: {issuers: [5]}",
	"webhook: {secret: x}", "webhook: {events: [all]}", "webhook: {events: all}", "webhook: {messages: both}", "webhook: {authenticate: 1}",
	"webhook: {max_concurrent: 0}", "api: {keys: {}}", "api: {keys: [{id: a, hashes: [x], scopes: [read]}]}", "api: {keys: [{id: a.b, hashes: [], scopes: [read]}]}",
	"api: {keys: [{id: a, hashes: [], scopes: [all]}]}", "api: {keys: [{id: a, hashes: [], scopes: [read], rooms: ['']}]}", "api: {keys: [{id: a, hashes: [], scopes: [read], rate: 0}]}",
	"api: {keys: [{id: a, scopes: [read]}]}", "api: {keys: [{id: a, hashes: []}]}", "api: {keys: [{hashes: [], scopes: [read]}]}", "api: {listen: 1}", "rooms: {}", "rooms: [x]", "rooms: [{}]", "rooms: [{join: anyone}]", "rooms: [{match: a, join: all}]",
	"rooms: [{match: a, join: {}}]", "rooms: [{match: a, join: {claims: x}}]", "rooms: [{match: a, join: [anyone]}]", "rooms: [{match: a, join: {claim: [x]}}]",
	"rooms: [{match: 5}]", "rooms: [{match: a, send: true}]", "rooms: [{match: a, send: {}}]", "rooms: [{match: a, send: {events: [5]}}]",
	"rooms: [{match: a, send: {events: [x], from: all}}]", "rooms: [{match: a, send: {events: [x], to: nobody}}]", "rooms: [{match: a, history: 5}]",
	"rooms: [{match: a, join: {is: x}}]", "rooms: [{match: a, join: {claim: c, is: 5}}]", "rooms: [{match: a, send: [x]}]", "rooms: [{match: a, send: [{}]}]", "rooms: [{match: a, send: [{events: [x]}, {events: [y], to: all}]}]",
	"rooms: [{match: a, send: [[{events: [x]}]]}]", "rooms: [{match: a, send: {events: [x], except_sender: 1}}]",
	"limits: {max_rooms: 0}", "limits: {max_rooms: off}", "limits: {idle_timeout: 5}", "limits: {memory_limit: lots}", "limits: {slow_clients: wait}",
	"limits: {message_rate: -1}", "limits: {byte_rate: 1.5MiB}", "log: {level: trace}", "log: {levels: loud}", "log: {levels: [redis=debug]}", "log: {levels: {redis: trace}}", "log: {levels: {radio: debug}}", "log: {levels: redis}",
	"metrics: {listen: 9464}", "metrics: {listen: 'unix:/run/x'}", "metrics: {listen: nowhere}", "metrics: on", "pprof: 1", "redis: {required: maybe}",
	"log: json", "dev: 1", "allowed_origins: [app.example]",
}

// decodeSettings decodes a file as ignis serve does.
func decodeSettings(m *configfile.Model, text string) (*effective, error) {
	l := &settingsLoader{model: m, given: make(map[string]origin)}
	e := &effective{loader: l, file: "f.yaml"}
	return e, l.apply(e, []byte(text))
}

func TestSchemaOfSections(t *testing.T) {
	m := settingsModel(t)
	text := m.Schema("x")
	schema, err := schematest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeSettings(m, everything); err != nil {
		t.Errorf("the decoder: %v", err)
	}
	if err := schema.ValidateYAML(everything); err != nil {
		t.Errorf("the schema: %v", err)
	}
	for _, file := range wrongFiles {
		if _, err := decodeSettings(m, file); err == nil {
			t.Errorf("the decoder accepts %s", file)
		}
		if schema.ValidateYAML(file) == nil {
			t.Errorf("the schema accepts %s", file)
		}
	}
	// Every key is in the file above.
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	eachProperty(root, func(name string) {
		if !strings.Contains(everything, name+":") {
			t.Errorf("the key %s is not in the file with everything", name)
		}
	})
}

// eachProperty calls f with the name of every property in a schema.
func eachProperty(v any, f func(name string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			eachProperty(item, f)
		}
	case map[string]any:
		for key, value := range v {
			if properties, ok := value.(map[string]any); ok && key == "properties" {
				for name := range properties {
					f(name)
				}
			}
			eachProperty(value, f)
		}
	}
}

// The schema accepts every file that the decoder accepts. Files that are accepted never make
// the rest of the program panic, and can be shown.
func FuzzSettings(f *testing.F) {
	f.Add(everything)
	for _, file := range wrongFiles {
		f.Add(file)
	}
	m, err := modelOfSettings()
	if err != nil {
		f.Fatal(err)
	}
	schema, err := schematest.Parse(m.Schema("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4000 || strings.Contains(text, "_file") { // names of real files must not be read
			return
		}
		e, err := decodeSettings(m, text)
		if err != nil {
			return
		}
		if err := schema.ValidateYAML(text); err != nil {
			t.Errorf("the decoder accepts %q, but the schema: %v", text, err)
		}
		_, _ = e.appConfig(slog.New(slog.DiscardHandler))
		list := m.Settings(&e.settings, func(*configfile.Key) (source, from string) { return "file", "f.yaml:1" })
		if _, problems := configfile.Parse("shown", []byte(configfile.WriteSettings(list))); problems != nil {
			t.Errorf("%q is shown as %q: %v", text, configfile.WriteSettings(list), problems)
		}
	})
}
