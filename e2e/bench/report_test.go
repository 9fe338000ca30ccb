//go:build linux

package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is printed as Markdown, beside what go test says.
type table struct{ *tabwriter.Writer }

func newTable(columns ...string) table {
	t := table{tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)}
	fmt.Fprintln(t)
	t.row(columns...)
	t.row(slices.Repeat([]string{"---"}, len(columns))...)
	return t
}

func (t table) row(cells ...string) {
	fmt.Fprintln(t, "| "+strings.Join(cells, "\t| ")+"\t|")
}

// spread is the median of ratios, and the least and the greatest, in percent.
func spread(ratios []float64) string {
	slices.Sort(ratios)
	n := len(ratios)
	median := (ratios[n/2] + ratios[(n-1)/2]) / 2
	return fmt.Sprintf("%.1f %% (%.0f–%.0f)", 100*median, 100*ratios[0], 100*ratios[n-1])
}

// middle is the mean of the middle half.
func middle(values []float64) float64 {
	slices.Sort(values)
	half, sum := values[len(values)/4:len(values)-len(values)/4], 0.
	for _, value := range half {
		sum += value
	}
	return sum / float64(len(half))
}

func count(n float64) string { return fmt.Sprintf("%.0f", math.Round(n)) }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
