package main

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Dimensions of the plot in pixels.
const (
	plotWidth   = 860
	plotLeft    = 186 // left end of the axis
	plotRight   = 690 // right end of the axis, followed by the figures
	rowHeight   = 20
	groupHeight = 30
	plotTop     = 84
)

// plot returns an SVG image that shows the ratio of each system to Ignis on Bun on a logarithmic axis, for
// the metrics that have a goal.
func (r *results) plot() string {
	rows, lowest, highest := r.plotRows()
	axis := newLogAxis(lowest, highest)
	y := plotTop
	var body strings.Builder
	for _, row := range rows {
		if row.heading != "" {
			y += groupHeight
			fmt.Fprintf(&body, `<text class="group" x="16" y="%d">%s</text>`+"\n", y-10, html.EscapeString(row.heading))
			continue
		}
		row.draw(&body, axis, y)
		y += rowHeight
	}
	bottom := y + 6

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Each server compared with Ignis on Bun">`+"\n",
		plotWidth, bottom+44, plotWidth, bottom+44)
	b.WriteString(plotStyle)
	fmt.Fprintf(&b, `<rect class="back" width="%d" height="%d" rx="8"/>`+"\n", plotWidth, bottom+44)
	b.WriteString(`<text class="title" x="16" y="30">Compared with Ignis on Bun</text>` + "\n")
	b.WriteString(`<text class="sub" x="16" y="52">Ratio of deliveries per second, or inverse ratio of CPU time or memory, on one core. Further right is better. Marks are goals.</text>` + "\n")
	for _, v := range axis.ticks() {
		class := "grid"
		if v == 1 {
			class = "one"
		}
		x := axis.x(v)
		fmt.Fprintf(&b, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", class, x, plotTop-6, x, bottom)
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d">%s</text>`+"\n", x, bottom+18, tickText(v))
	}
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// Colours for light and dark pages.
const plotStyle = `<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.back { fill: #ffffff }
.title { font-size: 17px; font-weight: 600 }
.group { font-weight: 600 }
.sub, .tick, .figure { fill: #57606a }
.sub, .tick { font-size: 12px }
.tick { text-anchor: middle }
.grid { stroke: #d0d7de; stroke-width: 1 }
.one { stroke: #57606a; stroke-width: 1.5 }
.ours { fill: #d9480f }
.other { fill: #8c959f }
.goal { stroke: #24292f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.back { fill: #0d1117 }
.sub, .tick, .figure { fill: #9198a1 }
.grid { stroke: #30363d }
.one { stroke: #9198a1 }
.ours { fill: #ff8c42 }
.other { fill: #6e7681 }
.goal { stroke: #e6edf3 }
}
</style>
`

// plotRow is a heading or the bar of a system.
type plotRow struct {
	heading string

	label  string
	figure string
	times  float64 // ratio to the reference, for which higher is better
	goal   float64 // ratio of the goal, 0 if there is none
	ours   bool
}

func (r *results) plotRows() (rows []plotRow, lowest, highest float64) {
	lowest, highest = 0.5, 2
	for _, w := range workloads {
		for _, m := range w.metrics {
			base, ok := figureOf(r.of(w.name, reference), m.key)
			if m.goal.limit == 0 || !ok || base.median == 0 || m.key == keyChange {
				continue
			}
			rows = append(rows, plotRow{heading: w.title + ": " + m.title + " (Ignis on Bun: " + m.text(base.median) + ")"})
			for _, s := range systems {
				f, ok := figureOf(r.of(w.name, s.name), m.key)
				if !ok || f.median == 0 || s.name == reference {
					continue
				}
				row := plotRow{
					label: strings.Trim(s.title, "*"), ours: s.name == ours,
					times: m.times(f.median / base.median), figure: m.text(f.median),
				}
				if row.ours && m.goal.ratio {
					row.goal = m.times(m.goal.limit)
				}
				rows = append(rows, row)
				lowest, highest = min(lowest, row.times), max(highest, row.times, row.goal)
			}
		}
	}
	return rows, lowest, highest
}

// times converts a ratio of figures to a ratio for which higher is better.
func (m metric) times(ratio float64) float64 {
	if m.higher {
		return ratio
	}
	return 1 / ratio
}

func (row plotRow) draw(b *strings.Builder, axis logAxis, y int) {
	from, to := axis.x(1), axis.x(row.times)
	class := "other"
	if row.ours {
		class = "ours"
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLeft-10, y+12, html.EscapeString(row.label))
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n",
		class, min(from, to), y+1, max(math.Abs(to-from), 1.5), rowHeight-6)
	if row.goal != 0 {
		x := axis.x(row.goal)
		fmt.Fprintf(b, `<line class="goal" x1="%.1f" y1="%d" x2="%.1f" y2="%d"><title>goal: %s</title></line>`+"\n",
			x, y-2, x, y+rowHeight-2, tickText(row.goal))
	}
	fmt.Fprintf(b, `<text class="figure" x="%d" y="%d">%s: %s</text>`+"\n", plotRight+16, y+12, tickText(row.times), html.EscapeString(row.figure))
}

// logAxis maps ratios to pixels.
type logAxis struct{ low, high float64 } // powers of two

func newLogAxis(lowest, highest float64) logAxis {
	return logAxis{math.Floor(math.Log2(lowest)), math.Ceil(math.Log2(highest))}
}

func (a logAxis) x(v float64) float64 {
	return plotLeft + (math.Log2(v)-a.low)/(a.high-a.low)*(plotRight-plotLeft)
}

func (a logAxis) ticks() (list []float64) {
	for e := a.low; e <= a.high; e++ {
		list = append(list, math.Exp2(e))
	}
	return list
}

// tickText formats a ratio, as a fraction if it is at most a half.
func tickText(v float64) string {
	if v <= 0.5 {
		return "1/" + short(1/v) + " ×"
	}
	return short(v) + " ×"
}

// short formats a number with as few decimals as necessary.
func short(v float64) string {
	if v < 2 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), ".00")
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}
