package configfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ignis-go/ignis/internal/nearest"
)

// suggest returns the end of an error about an unknown key in a section, which names the
// key that was probably meant, or those that the section has.
func (m *Model) suggest(s *section, name string) string {
	if near := nearest.Of(name, s.names); near != "" {
		return "; did you mean " + join(s.path, near) + "?"
	}
	// The key may be in another section, or a flag.
	plain := strings.ReplaceAll(name, "-", "_")
	for _, k := range m.keys {
		last := k.Path[strings.LastIndex(k.Path, ".")+1:]
		if k.InFile() && (last == plain || k.Flag != "" && strings.ReplaceAll(k.Flag, "-", "_") == plain) {
			return "; did you mean " + k.Path + "?"
		}
	}
	if near := nearest.Of(name, m.lastNames()); near != "" {
		for _, k := range m.keys {
			if k.InFile() && strings.HasSuffix("."+k.Path, "."+near) {
				return "; did you mean " + k.Path + "?"
			}
		}
	}
	return "; expected one of " + strings.Join(s.names, ", ")
}

func (m *Model) lastNames() (names []string) {
	for _, k := range m.keys {
		names = append(names, k.Path[strings.LastIndex(k.Path, ".")+1:])
	}
	return names
}

// kubernetes matches the variables that Kubernetes sets in all containers for a Service
// whose name is the prefix, or starts with it: for the Service ignis, IGNIS_SERVICE_HOST,
// IGNIS_SERVICE_PORT, IGNIS_SERVICE_PORT_HTTP, IGNIS_PORT, IGNIS_PORT_8080_TCP and others.
var kubernetes = regexp.MustCompile(`^(?:_[A-Z0-9_]+)?(?:_SERVICE_HOST|_SERVICE_PORT(?:_[A-Z0-9_]+)?|_PORT|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$`)

// endpoint matches the value of IGNIS_PORT and IGNIS_PORT_8080_TCP as Kubernetes sets them.
var endpoint = regexp.MustCompile(`^(?:tcp|udp|sctp)://`)

// injected reports whether Kubernetes, not the user, has set a variable.
func injected(prefix, name, value string) bool {
	rest := strings.TrimPrefix(name, prefix)
	if !kubernetes.MatchString(rest) {
		return false
	}
	if strings.HasSuffix(rest, "_PORT") && !strings.Contains(rest, "_SERVICE_PORT") && !strings.Contains(rest, "_PORT_") {
		return endpoint.MatchString(value)
	}
	return true
}

// CheckVariables returns an error if the environment contains a variable that starts with
// prefix and an underscore and is not in known. It names the one that was probably meant.
// Variables that Kubernetes sets for Services are ignored. The error never contains a
// value.
func CheckVariables(prefix string, environ, known []string) error {
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, prefix+"_") || slices.Contains(known, name) || injected(prefix, name, value) {
			continue
		}
		var rest []string // without what they have in common
		for _, k := range known {
			rest = append(rest, strings.TrimPrefix(k, prefix+"_"))
		}
		if near := nearest.Of(strings.TrimPrefix(name, prefix+"_"), rest); near != "" {
			return fmt.Errorf("the environment variable %s is unknown; did you mean %s?", printable(name), prefix+"_"+near)
		}
		return fmt.Errorf("the environment variable %s is unknown", printable(name))
	}
	return nil
}
