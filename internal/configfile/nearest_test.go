package configfile

import (
	"strings"
	"testing"
)

// The variables that Kubernetes sets for a Service named like the prefix, or starting with
// it, are not errors. Misspelled ones are.
func TestCheckVariables(t *testing.T) {
	known := []string{"IGNIS_MAX_ROOMS", "IGNIS_LISTEN", "IGNIS_REDIS", "IGNIS_JWT_SECRET"}
	for _, ok := range []string{
		"IGNIS_MAX_ROOMS=1", "IGNIS_LISTEN=", "HOME=/", "IGNIS=1", "IGNISX_Y=1", "ignis_max_room=1",
		"IGNIS_SERVICE_HOST=10.0.0.1", "IGNIS_SERVICE_PORT=8080", "IGNIS_SERVICE_PORT_HTTP=8080", "IGNIS_SERVICE_PORT_HTTP_ALT=8080",
		"IGNIS_PORT=tcp://10.0.0.1:8080", "IGNIS_PORT_8080_TCP=tcp://10.0.0.1:8080", "IGNIS_PORT_8080_TCP_PROTO=tcp",
		"IGNIS_PORT_8080_TCP_PORT=8080", "IGNIS_PORT_8080_TCP_ADDR=10.0.0.1", "IGNIS_PORT_53_UDP=udp://10.0.0.1:53",
		"IGNIS_PORT_9_SCTP_ADDR=::1", "IGNIS_REDIS_SERVICE_HOST=10.0.0.2", "IGNIS_REDIS_PORT=tcp://10.0.0.2:6379",
		"IGNIS_REDIS_PORT_6379_TCP_ADDR=10.0.0.2", "IGNIS_MY_CHAT_SERVICE_PORT_WS=1", "IGNIS_PORT=tcp://[fd00::1]:8080",
	} {
		if err := CheckVariables("IGNIS", []string{"A=b", ok}, known); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for bad, want := range map[string]string{
		"IGNIS_MAX_ROOM=1":         "IGNIS_MAX_ROOM is unknown; did you mean IGNIS_MAX_ROOMS?",
		"IGNIS_JWTSECRET=s3cr3t":   "did you mean IGNIS_JWT_SECRET?",
		"IGNIS_PORT=8080":          "IGNIS_PORT is unknown",
		"IGNIS_REDIS_PORT=6379":    "IGNIS_REDIS_PORT is unknown",
		"IGNIS_SERVICE=s3cr3t":     "IGNIS_SERVICE is unknown",
		"IGNIS_PORT_TCP=s3cr3t":    "IGNIS_PORT_TCP is unknown",
		"IGNIS_SERVICE_HOSTS=1":    "IGNIS_SERVICE_HOSTS is unknown",
		"IGNIS_=s3cr3t":            "IGNIS_ is unknown",
		"IGNIS_redis=s3cr3t":       "did you mean IGNIS_REDIS?",
		"IGNIS_SOMETHING=s3cr3t\n": "IGNIS_SOMETHING is unknown",
	} {
		err := CheckVariables("IGNIS", []string{"A=b", bad}, known)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}
