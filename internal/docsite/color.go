package docsite

import (
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark/util"
)

// A coloring finds the parts of code that have a color. It knows little of the languages, because
// a wrong color does no harm.
type coloring struct {
	languages []string
	parts     *regexp.Regexp // groups: comment, string, key, number, word
	words     bool           // whether keywords have a color
}

const (
	hashComment  = `(?:^|\s)#.*`
	slashComment = `//.*|/\*[\s\S]*?\*/`
	lineString   = `"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`
	openString   = "`[^`]*`"
	number       = `\b\d[\w.]*`
	word         = `\b[A-Za-z_]\w*`
	never        = `[^\s\S]`
)

func newColoring(comment, text, key, number string, words bool, languages ...string) *coloring {
	return &coloring{languages, regexp.MustCompile(`(?m)(` + comment + `)|(` + text + `)|(` + key + `)|(` + number + `)|(` + word + `)`), words}
}

var colorings = []*coloring{
	newColoring(hashComment, lineString, never, never, false, "sh", "bash", "console", "nginx", "haproxy", "caddyfile", "dockerfile"),
	newColoring(`(?:^|\s)[#;].*`, lineString, `^\s*(?:\[[^\]\n]*\]|[\w.-]+(?:\s*=))`, never, false, "ini", "toml", "conf"),
	newColoring(hashComment, lineString, `^[ \t]*(?:- )*[\w./-]+:(?:\s|$)`, never, false, "yaml", "yml"),
	newColoring(never, `"(?:[^"\\\n]|\\.)*"(?:[^:"]|$)`, `"(?:[^"\\\n]|\\.)*":`, number, false, "json"),
	newColoring(slashComment, lineString+"|"+openString, never, number, true, "go", "js", "ts", "tsx", "jsx", "java", "csharp", "cs"),
	newColoring(slashComment+`|`+hashComment, lineString, never, number, true, "php"),
	newColoring(hashComment, `"""[\s\S]*?"""|`+lineString, never, number, true, "python", "ruby"),
	newColoring(`<!--[\s\S]*?-->`, lineString, `</?[A-Za-z][\w-]*|/?>`, never, false, "html", "svelte", "vue", "xml"),
}

var keywords = strings.Fields(`and as async await break case catch class const continue def default defer do echo else elseif
	end except export extends false final finally for foreach from func function go if implements import in interface let map
	module new nil None not null or package private public raise range require return select self static struct switch this
	throw throws true True False try type undefined use var void while with yield`)

// color writes code, with elements for the parts that have a color.
func color(w util.BufWriter, language, code string) {
	write := func(class, text string) {
		if class != "" && text != "" {
			_, _ = w.WriteString(`<span class="` + class + `">`)
			defer func() { _, _ = w.WriteString("</span>") }()
		}
		_, _ = w.WriteString(html.EscapeString(text))
	}
	i := slices.IndexFunc(colorings, func(c *coloring) bool { return slices.Contains(c.languages, language) })
	if i < 0 {
		write("", code)
		return
	}
	if language == "console" {
		for line := range strings.Lines(code) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				write("p", "$ ")
				colorings[i].write(command, write)
			} else {
				write("o", line)
			}
		}
		return
	}
	colorings[i].write(code, write)
}

// write calls a function for each part of code, with the class of its color.
func (c *coloring) write(code string, write func(class, text string)) {
	end := 0
	for _, m := range c.parts.FindAllStringSubmatchIndex(code, -1) {
		class := ""
		for group, name := range []string{"c", "s", "k", "n", "w"} {
			if m[2*group+2] >= 0 {
				class = name
			}
		}
		if class == "w" && (!c.words || !slices.Contains(keywords, code[m[0]:m[1]])) {
			continue
		}
		write("", code[end:m[0]])
		write(class, code[m[0]:m[1]])
		end = m[1]
	}
	write("", code[end:])
}
