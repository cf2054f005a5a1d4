package main

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/configfile"
)

// nameList is a comma-separated list of names. It is never nil after parsing. An empty
// text is an empty list.
type nameList []string

// UnmarshalText splits the text at commas.
func (l *nameList) UnmarshalText(text []byte) error {
	*l = nameList{}
	if len(text) == 0 {
		return nil
	}
	for name := range strings.SplitSeq(string(text), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return fmt.Errorf("expected comma-separated names, but got %q", text)
		}
		*l = append(*l, name)
	}
	return nil
}

// Syntax implements [configfile.Scalar].
func (nameList) Syntax() configfile.Syntax { return configfile.Syntax{Type: "string", List: true} }

// idList is a comma-separated list of names. A flag that is repeated adds to the list. A
// comma in a name is preceded by a backslash. Empty names are rejected, because they
// usually come from an unset variable in a script.
type idList []string

// UnmarshalText adds the names.
func (l *idList) UnmarshalText(text []byte) error {
	name := ""
	rest := string(text)
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		if before, escaped := strings.CutSuffix(part, `\`); escaped && more {
			name += before + ","
			continue
		}
		if name += part; name == "" || !utf8.ValidString(name) {
			return fmt.Errorf("expected comma-separated, non-empty names in UTF-8, but got %q", text)
		}
		*l = append(*l, name)
		name = ""
	}
	return nil
}

// originList is a list of origins, or * for any.
type originList []string

// UnmarshalText parses comma-separated origins or *.
func (l *originList) UnmarshalText(text []byte) error {
	*l = nil
	if len(text) == 0 {
		return nil
	}
	if string(text) == "*" {
		*l = originList{"*"}
		return nil
	}
	for origin := range strings.SplitSeq(string(text), ",") {
		u, err := url.Parse(strings.TrimSpace(origin))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
			u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Host, "*") {
			return fmt.Errorf("expected * or comma-separated origins such as https://app.example.com, but got %q", text)
		}
		*l = append(*l, u.Scheme+"://"+strings.ToLower(u.Host))
	}
	return nil
}

// Syntax implements [configfile.Scalar].
func (originList) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: `^\s*(\*|[hH][tT][tT][pP][sS]?://[^,/?#@*]+)\s*$`, List: true}
}

// slowPolicy is a policy for slow clients.
type slowPolicy struct{ ignis.SlowPolicy }

// Syntax implements [configfile.Scalar].
func (slowPolicy) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Enum: texts(ignis.SlowDisconnect)}
}

// userPolicy is a policy for users with too many connections.
type userPolicy struct{ ignis.UserPolicy }

// Syntax implements [configfile.Scalar].
func (userPolicy) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Enum: texts(ignis.UserRefuseNew)}
}

// texts returns the texts of all values of an enumerated type, beginning with the first.
func texts[T interface {
	~uint8
	fmt.Stringer
}](first T) (list []string) {
	for v := first; !strings.Contains(v.String(), "("); v++ { // unknown values have the form Type(7)
		list = append(list, v.String())
	}
	return list
}
