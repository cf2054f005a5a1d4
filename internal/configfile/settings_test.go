package configfile

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// size is a type with a syntax of its own.
type size int

func (s *size) UnmarshalText(text []byte) error {
	n, err := fmt.Sscanf(string(text), "%dK", (*int)(s))
	if n != 1 || err != nil {
		return fmt.Errorf("expected a size such as 4K, but got %q", text)
	}
	return nil
}

func (size) Syntax() Syntax   { return Syntax{Type: "string", Pattern: "^[0-9]+K$"} }
func (s size) String() string { return fmt.Sprintf("%dK", int(s)) }

// names is a list in one text.
type names []string

func (l *names) UnmarshalText(text []byte) error {
	*l = strings.Split(string(text), ",")
	for _, n := range *l {
		if n == "" || n == "bad" {
			return fmt.Errorf("expected names, but got %q", text)
		}
	}
	return nil
}

func (names) Syntax() Syntax { return Syntax{Type: "string", List: true} }

// address can be written as a text or as a mapping.
type address struct {
	At  string `key:"at" required:"" help:"Where."`
	TLS bool   `key:"tls" help:"With TLS."`
}

func (a *address) UnmarshalText(text []byte) error {
	if !strings.Contains(string(text), ":") {
		return fmt.Errorf("expected host:port, but got %q", text)
	}
	*a = address{At: string(text)}
	return nil
}

func (address) Syntax() Syntax { return Syntax{Type: "string", Pattern: ":"} }

// rule is an item of a list.
type rule struct {
	Match string   `key:"match" required:"" help:"Pattern."`
	Join  string   `key:"join" enum:"anyone,nobody" help:"Who."`
	Send  *sending `key:"send" help:"What."`
}

type sending struct {
	Events []string `key:"events" required:"" help:"Which."`
	Secret string   `key:"password" secret:"" help:"A secret."`
}

type limits struct {
	Rooms int           `key:"limits.rooms" default:"128" live:"" help:"Rooms (${default})."`
	Size  size          `key:"limits.size" default:"4K" help:"Size."`
	Quiet bool          `key:"limits.quiet" help:"Quiet."`
	Other time.Duration `key:"-"`
}

type sample struct {
	Config string `key:"-"`
	Path   string `key:"path" default:"/ws" help:"Path."`
	Mode   string `key:"mode" enum:"off,on" help:"Mode."`
	limits
	Rooms      names     `key:"rooms" help:"Rooms."`
	Listen     []address `key:"listen" help:"Where to listen."`
	URL        string    `key:"redis.url" name:"redis" secret:"url" either:"redis" help:"URL."`
	URLFile    string    `key:"redis.url_file" name:"redis-file" either:"redis" help:"File."`
	Password   string    `kong:"-" key:"tokens.secret" env:"APP_SECRET" secret:"" instead:"use tokens.file" help:"Secret."`
	SecretFile string    `key:"tokens.file" help:"File."`
	Rules      []rule    `kong:"-" key:"rules" help:"Rules."`
}

func model(t testing.TB) *Model {
	t.Helper()
	m, err := ModelOf[sample]("APP")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// decode decodes a text into a sample.
func decode(t testing.TB, text string, keep func(*Key) bool) (sample, Origins, Problems) {
	t.Helper()
	var s sample
	f, problems := Parse("f.yaml", []byte(text))
	if problems != nil {
		return s, nil, problems
	}
	origins, problems := model(t).Decode(f, &s, keep)
	return s, origins, problems
}
