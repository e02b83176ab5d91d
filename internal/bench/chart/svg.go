package chart

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// The layout, in pixels: two columns of panels, each with its bars one under the other.
const (
	column  = 440
	left    = 168 // where bars begin
	longest = 196 // the longest bar
	head    = 44
	row     = 22
	gap     = 26
)

// style follows the reader's choice of light or dark. Bars differ by brightness as
// well as by colour, and each has its figure beside it.
const style = `
  text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 13px }
  .note, .bare-label { fill: #59636e }
  .ours-label { font-weight: 600 }
  .ours { fill: #0969da }
  .peer { fill: #afb8c1 }
  .bare { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note, .bare-label { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .peer { fill: #656c76 }
    .bare { stroke: #9198a1 }
  }
`

// Write draws the panels as an SVG.
func Write(w io.Writer, panels []Panel) error {
	var body strings.Builder
	y, height := 0, 0
	for i, p := range panels {
		if i%2 == 0 {
			y += height
			height = 0
		}
		height = max(height, head+row*len(p.Bars)+gap)
		draw(&body, p, i%2*column, y)
	}
	_, err := fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%[2]d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\" aria-label=\"distlock beside its peers\">\n<style>%[3]s</style>\n%[4]s</svg>\n",
		2*column, y+height, style, body.String())
	return err
}

func draw(b *strings.Builder, p Panel, x, y int) {
	text := func(class string, x, y int, anchor, s string) {
		fmt.Fprintf(b, "<text class=\"%s\" x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>\n", class, x, y, anchor, html.EscapeString(s))
	}
	text("title", x+8, y+16, "start", p.Title)
	text("note", x+8, y+33, "start", p.Note)
	most := 0.0
	for _, bar := range p.Bars {
		most = max(most, bar.Value)
	}
	for i, bar := range p.Bars {
		class := [...]string{"peer", "ours", "bare"}[bar.Kind]
		top := y + head + i*row
		width := 2.0 // what is next to nothing is still seen
		if most > 0 {
			width = max(width, longest*bar.Value/most)
		}
		text(class+"-label", x+left-8, top+12, "end", bar.Label)
		fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\" rx=\"2\"/>\n", class, x+left, top+1, width)
		text(class+"-label", x+left+int(width)+6, top+12, "start", number(p.Number, bar.Value))
	}
}

// number prints a figure, its thousands apart.
func number(format string, v float64) string {
	s := fmt.Sprintf(format, v)
	whole, rest, point := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "\u202f" + whole[i:]
	}
	if point {
		return whole + "." + rest
	}
	return whole
}
