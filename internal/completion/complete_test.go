package completion_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/completion"
)

// shop is a command line with everything that a completion distinguishes.
type shop struct {
	Verbose bool `help:"Print more."`
	Sell    struct {
		Config string   `placeholder:"FILE" help:"File: with settings. It is YAML."`
		Cache  string   `placeholder:"DIR"`
		Kind   string   `enum:"fruit,fish," default:""`
		Tag    []string `placeholder:"NAME"`
		Secret string   `hidden:""`
		Count  int      `short:"n"`
		Ware   string   `arg:"" enum:"apple,apricot,cod"`
		Rest   []string `arg:"" optional:""`
	} `cmd:"" help:"Sell something. At a price."`
	Send struct {
		One struct {
			File string `arg:""`
		} `cmd:""`
		Other struct{} `cmd:""`
	} `cmd:""`
	Run struct {
		Command []string `arg:"" optional:"" passthrough:""`
	} `cmd:""`
	Internal struct{} `cmd:"" hidden:""`
}

func completer(t *testing.T) *completion.Completer {
	t.Helper()
	parser, err := kong.New(&shop{}, kong.Name("shop"))
	if err != nil {
		t.Fatal(err)
	}
	return &completion.Completer{App: parser.Model, Choices: func(v *kong.Value) []string {
		return slices.DeleteFunc(strings.Split(v.Enum, ","), func(s string) bool { return s == "" })
	}}
}

func TestComplete(t *testing.T) {
	c := completer(t)
	for line, want := range map[string]string{
		"":                           "words sell send run",
		"se":                         "words sell send",
		"internal":                   "words",
		"send ":                      "words one other",
		"send o":                     "words one other",
		"send other ":                "words --help --verbose",
		"send other x":               "words",
		"send one ":                  "files",
		"send one x ":                "words --help --verbose",
		"--v":                        "words --verbose",
		"--verbose --v":              "words",
		"sell -":                     "words --help --verbose --config --cache --kind --tag --count",
		"sell --tag a --ta":          "words --tag",
		"sell --config a --co":       "words --count",
		"sell --kind ":               "words fruit fish",
		"sell --kind=fi":             "words --kind=fish",
		"sell --none=fi":             "words",
		"sell --config ":             "files",
		"sell --config=x":            "files",
		"sell --cache ":              "folders",
		"sell --count 3 a":           "words apple apricot",
		"sell -n 3 a":                "words apple apricot",
		"sell -n3 a":                 "words apple apricot",
		"sell --count=3 a":           "words apple apricot",
		"sell --verbose a":           "words apple apricot",
		"sell --secret se a":         "words", // it is not a known flag, and se the argument
		"sell apple x ":              "words",
		"sell -- --k":                "words",
		"run ":                       "files",
		"run -- node ":               "files",
		"unknown ":                   "words sell send run",
		"send one --verbose file --": "words --help",
	} {
		answer := c.Complete(strings.Split(line, " "))
		got := string(answer.Kind)
		for _, candidate := range answer.Candidates {
			got += " " + candidate.Text
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	if got := c.Complete(nil); len(got.Candidates) != 3 {
		t.Errorf("no words: %v", got)
	}
}

func TestReply(t *testing.T) {
	c := completer(t)
	for _, row := range []struct {
		shell string
		args  []string
		want  string
	}{
		{"fish", []string{"sel"}, "words\nsell\tSell something\n"},
		{"zsh", []string{"sell", "--conf"}, "words\n--config:File: with settings\n"},
		{"zsh", []string{"sell", "--ta"}, "words\n--tag\n"},
		{"zsh", []string{"sell", "--config", ""}, "files\n"},
		{"bash", []string{"shop se", "se"}, "words\nsell\nsend\n"},
		{"bash", []string{"shop sell --kind=fi", "fi"}, "words\nfish\n"},
		{"bash", []string{"shop sell --kind=fi", "--kind=fi"}, "words\n--kind=fish\n"}, // COMP_WORDBREAKS without =
		{"bash", []string{"shop sell --kind=", ""}, "words\nfruit\nfish\n"},
		{"bash", []string{`shop  sell --tag 'a b' --tag "" --tag c\ d ap`, "ap"}, "words\napple\napricot\n"},
		{"bash", []string{"shop", ""}, "words\nsell\nsend\nrun\n"},
		{"bash", nil, "words\nsell\nsend\nrun\n"},
	} {
		if got := c.Reply(row.shell, row.args); got != row.want {
			t.Errorf("%s %q: got %q, want %q", row.shell, row.args, got, row.want)
		}
	}
}

func TestScript(t *testing.T) {
	for _, shell := range completion.Shells() {
		text, err := completion.Script(shell)
		if err != nil || !strings.Contains(text, "__complete "+shell+" -- ") {
			t.Errorf("%s: %v, %s", shell, err, text)
		}
		for _, kind := range []completion.Kind{completion.Files, completion.Folders} {
			if !strings.Contains(text, string(kind)) {
				t.Errorf("the script for %s does not handle the answer %q", shell, kind)
			}
		}
	}
	if _, err := completion.Script("csh"); err == nil || !strings.Contains(err.Error(), "bash, zsh, fish") {
		t.Errorf("csh: %v", err)
	}
}
