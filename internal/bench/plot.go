package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// point is a figure at a size.
type point struct{ X, Y float64 }

const (
	plotLeft, plotTop     = 46.0, 34.0
	plotWidth, plotHeight = 190.0, 130.0
	plotGap               = 60.0
	plotMost              = 2.0 // times the first figure; what is above is drawn at the edge
)

// plotStyle is readable on a white and on a black page: lines and letters take their colour from
// the reader's preference, and the curves have colours that show on both.
const plotStyle = `<style>
text { font: 11px sans-serif; fill: #24292f } .axis { stroke: #8c959f; fill: none } .goal { stroke: #8c959f; stroke-dasharray: 4 3 }
.c0 { stroke: #2f81f7 } .c1 { stroke: #d4762c } .c2 { stroke: #3fa45b } .curve { fill: none; stroke-width: 2 } .dot { stroke-width: 4; stroke-linecap: round }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>
`

// plot draws an SVG with a panel for each dimension of the rows that have a curve, and in it a
// curve for each measure: times the figure of the smallest size, over the size. It returns "" if
// there is no curve.
func plot(rows []row) string {
	var panels, measures []string
	curves := make(map[[2]string][]point)
	for _, r := range rows {
		measure, panel, ok := strings.Cut(r.curve, "/")
		if !ok {
			continue
		}
		if !slices.Contains(panels, panel) {
			panels = append(panels, panel)
		}
		if !slices.Contains(measures, measure) {
			measures = append(measures, measure)
		}
		curves[[2]string{panel, measure}] = r.points
	}
	if len(panels) == 0 {
		return ""
	}
	var b strings.Builder
	width := plotLeft + float64(len(panels))*(plotWidth+plotGap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f 236" width="%.0f" height="236" role="img" aria-label="What an event costs, against the smallest size">`+"\n", width, width)
	b.WriteString(plotStyle)
	for i, panel := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%.0f %.0f)">`+"\n", plotLeft+float64(i)*(plotWidth+plotGap), plotTop)
		drawAxes(&b, panel)
		for k, measure := range measures {
			drawCurve(&b, k, curves[[2]string{panel, measure}])
		}
		b.WriteString("</g>\n")
	}
	for k, measure := range measures {
		x := plotLeft + float64(k)*190
		fmt.Fprintf(&b, `<line class="curve c%d" x1="%.0f" y1="220" x2="%.0f" y2="220"/><text x="%.0f" y="224">%s</text>`+"\n", k, x, x+16, x+22, measure)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawAxes draws the panel's frame, and the line below which a figure is called flat.
func drawAxes(b *strings.Builder, panel string) {
	fmt.Fprintf(b, `<text x="0" y="-14" font-weight="bold">%s</text>`+"\n", panel)
	fmt.Fprintf(b, `<path class="axis" d="M0 0V%.0fH%.0f"/>`+"\n", plotHeight, plotWidth)
	for _, y := range []float64{0, 1, 1.3, 2} {
		at := plotY(y)
		if y == 1.3 {
			fmt.Fprintf(b, `<line class="goal" x1="0" y1="%.1f" x2="%.0f" y2="%.1f"/>`+"\n", at, plotWidth, at)
		}
		fmt.Fprintf(b, `<text x="-6" y="%.1f" text-anchor="end">%g×</text>`+"\n", at+4, y)
	}
}

// drawCurve draws the points on a logarithmic scale of sizes, with a label for each size.
func drawCurve(b *strings.Builder, k int, points []point) {
	if len(points) == 0 {
		return
	}
	first, last := math.Log10(points[0].X), math.Log10(points[len(points)-1].X)
	x := func(p point) float64 { return 12 + (plotWidth-24)*(math.Log10(p.X)-first)/max(last-first, 1e-9) }
	var path, dots strings.Builder
	for i, p := range points {
		y := plotY(p.Y / points[0].Y)
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x(p), y)
		fmt.Fprintf(&dots, "M%.1f %.1fh0", x(p), y)
		if k == 0 {
			fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle">%s</text>`+"\n", x(p), plotHeight+16, size(p.X))
		}
	}
	fmt.Fprintf(b, `<path class="curve c%d" d="%s"/><path class="dot c%d" d="%s"/>`+"\n", k, &path, k, &dots)
}

func plotY(y float64) float64 { return plotHeight * (1 - min(y, plotMost)/plotMost) }

// size writes a number of things, with a separator of thousands.
func size(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
