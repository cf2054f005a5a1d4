package manpage_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/manpage"
)

type sellCmd struct {
	Kind  string `group:"What" short:"k" default:"fish" help:"Kind of ware."`
	Price int    `required:"" placeholder:"N" help:"It's -1 or \\."`
	Ware  string `arg:"" help:"Name of the ware."`
}

func (sellCmd) Help() string {
	return "A wrapped\nparagraph.\n\n.dotted paragraph\n\nA file:\n\n  a:\n    b: 'c'\n\n  ~d\n\nExit codes: 0 sold; 1 not.\n\nExamples:\n\n  shop sell 'a cod'"
}

type shop struct {
	Sell     sellCmd  `cmd:"" help:"Sell something."`
	Internal struct{} `cmd:"" hidden:"" help:"Do more."`
	Stock    struct {
		List struct {
			All bool `group:"What" help:"List all."`
		} `cmd:"" help:"List wares."`
		Hidden struct{} `cmd:"" hidden:"" help:"Do more."`
	} `cmd:"" help:"Look at the stock."`
}

const sellPage = `.TH SHOP\-SELL 1 "2026\-11\-26" "shop v1.2.3" "Shop"
.ad l
.nh
.SH NAME
shop\-sell \- Sell something
.SH SYNOPSIS
\fBshop sell\fR \-\-price=N <ware> [flags]
.SH DESCRIPTION
A wrapped paragraph.
.PP
\&.dotted paragraph
.PP
A file:
.PP
.RS 4
.nf
a:
  b: \(aqc\(aq

\(tid
.fi
.RE
.TP
.I ware
Name of the ware.
.SH OPTIONS
.SS "What"
.TP
\fB\-k\fR, \fB\-\-kind\fR=\fI"fish"\fR
Kind of ware.
The default is fish.
.br
Variable: SHOP_KIND
.TP
\fB\-\-price\fR=\fIN\fR
It\(aqs \-1 or \e.
It is required.
.br
Variable: SHOP_PRICE
.SH ENVIRONMENT
Each option can also be set with the variable that is stated with it. Options take precedence.
.SH EXIT STATUS
0 sold; 1 not.
.SH EXAMPLES
.RS 4
.nf
shop sell \(aqa cod\(aq
.fi
.RE
.SH SEE ALSO
.BR shop (1)
.PP
Documentation: https://example.com
`

func TestPages(t *testing.T) {
	parser, err := kong.New(&shop{}, kong.Name("shop"), kong.Description("A shop.\n\nIt sells.\nExit codes: 0 success."), kong.DefaultEnvars("SHOP"))
	if err != nil {
		t.Fatal(err)
	}
	manual := &manpage.Manual{App: parser.Model, Version: "v1.2.3", Date: "2026-11-26", Title: "Shop", Home: "https://example.com"}
	pages := make(map[string]string)
	for _, p := range manual.Pages() {
		pages[p.Name] = p.Text
	}
	if len(pages) != 3 {
		t.Errorf("%d pages", len(pages))
	}
	if got := pages["shop-sell.1"]; got != sellPage {
		t.Errorf("got\n%s\nwant\n%s", got, sellPage)
	}
	for name, wants := range map[string][]string{
		"shop.1": {
			"\nshop \\- A shop\n", "\nIt sells.\n", ".SH EXIT STATUS\n0 success.\n",
			".BR shop\\-sell (1)\nSell something.\n", ".BR shop\\-sell (1) ,\n.BR shop\\-stock (1)\n",
		},
		"shop-stock.1": {
			"\\fBshop stock list\\fR [flags]\n", ".SS \"shop stock list\"\nList wares.\n.PP\n.I \"What\"\n.TP\n\\fB\\-\\-all\\fR\nList all.\n",
			".SH EXIT STATUS\n0 success.\n",
		},
	} {
		for _, want := range wants {
			if !strings.Contains(pages[name], want) {
				t.Errorf("%s does not contain %q:\n%s", name, want, pages[name])
			}
		}
		if strings.Contains(pages[name], "Do more") {
			t.Errorf("%s describes what is hidden", name)
		}
	}
}
