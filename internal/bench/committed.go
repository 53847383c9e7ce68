package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/headgate/headgate/internal/docpart"
)

// kept is a row as the repository keeps it.
type kept struct {
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Better  string  `json:"better"` // "less" or "more"
	Least   float64 `json:"least"`
	Most    float64 `json:"most"`
	Runs    int     `json:"runs"` // 0 if the row is an error
	// What the table shows beside these, in words, and the peak of resident memory in MB; it is
	// negative if no process was measured.
	Got     string  `json:"got"`
	ToReach string  `json:"toReach"`
	Result  string  `json:"result"`
	Peak    float64 `json:"peak"`
}

// committed holds the rows of a file in the repository. Those of the quick bench have sizes of
// their own, so they are only compared with each other.
type committed struct {
	Machine string `json:"machine"`
	Rows    []kept `json:"rows"`
	Quick   []kept `json:"quick"`
}

func readCommitted(file string) (c committed, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// list returns the rows of the quick bench, or those of the whole one.
func (c *committed) list(quick bool) *[]kept {
	if quick {
		return &c.Quick
	}
	return &c.Rows
}

// keep returns the rows as the repository keeps them.
func keep(rows []row) (list []kept) {
	for _, r := range rows {
		k := kept{
			Measure: r.measure, Value: round(r.value), Unit: r.unit, Better: "more", Least: round(r.low), Most: round(r.high), Runs: r.runs,
			Got: r.words, ToReach: r.target(), Result: r.reached(), Peak: math.Round(r.peak),
		}
		if r.goal.less {
			k.Better = "less"
		}
		if r.failed {
			k.Runs = 0
		}
		list = append(list, k)
	}
	return list
}

// put replaces the rows whose measures were measured anew, and appends new ones. If the whole
// bench was run, no other rows stay. Errors of an earlier run never do.
func (c *committed) put(quick, whole bool, rows []row) {
	list := c.list(quick)
	if whole {
		*list = nil
	}
	*list = slices.DeleteFunc(*list, func(k kept) bool { return k.Result == failure })
	for _, k := range keep(rows) {
		if at := find(*list, k.Measure); at != nil {
			*at = k
		} else {
			*list = append(*list, k)
		}
	}
}

// round drops the digits after the fourth, which no measurement has.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	digits := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*digits) / digits
}

// write writes the figures to the file. Those of the whole bench are also in the table of the
// document beside it, and the picture, if there is one, in scale.svg.
func (c *committed) write(file string, quick bool, picture string) error {
	c.Machine = machine()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return err
	}
	err := writePage(file, b.Bytes())
	if quick {
		return err
	}
	if picture != "" {
		err = errors.Join(err, writePage(filepath.Join(filepath.Dir(file), "scale.svg"), []byte(picture)))
	}
	page := filepath.Join(filepath.Dir(file), "performance.md")
	is, failed := os.ReadFile(page)
	if failed != nil {
		return errors.Join(err, failed)
	}
	want, failed := docpart.Replace(string(is), "bench", "Measured with "+c.Machine+".\n\n"+table(c.Rows)+"\n")
	if failed != nil {
		return errors.Join(err, fmt.Errorf("%s: %w", page, failed))
	}
	return errors.Join(err, writePage(page, []byte(want)))
}

func writePage(file string, text []byte) error {
	return os.WriteFile(file, text, 0o644) //nolint:gosec // a page of the repository, which everyone may read
}

func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d cores", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

func find(list []kept, measure string) *kept {
	for i := range list {
		if list[i].Measure == measure {
			return &list[i]
		}
	}
	return nil
}

// tolerance is the part of a committed figure by which a new one may be worse: less than that is noise.
const tolerance = 0.15

// fallen describes the rows that are worse than the committed ones by more than the tolerance. It
// leaves out what depends on the machine's speed, and what is not committed.
func fallen(list []kept, rows []row) (texts []string) {
	for _, r := range rows {
		was := find(list, r.measure)
		if was == nil || !r.relative() || was.Unit != r.unit {
			continue
		}
		// 2 means twice as bad as committed. Two zeros give NaN, which is not above any bound.
		worse := was.Value / r.value
		if r.goal.less {
			worse = r.value / was.Value
		}
		if worse > 1/(1-tolerance) {
			texts = append(texts, fmt.Sprintf("%s: %s%s, and %s%s are committed", r.measure, figure(r.value), unit(r.unit), figure(was.Value), unit(was.Unit)))
		}
	}
	return texts
}
