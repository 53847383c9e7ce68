// Command bench measures Headgate, and compares it with simple baselines (floors) that it
// measures in the same run. It prints the table of docs/performance.md. The embedded store
// needs no setup; the rows of Firestore and Pub/Sub need their emulators.
//
//	go run ./internal/bench            # embedded only
//	make bench                         # with the emulators of the Google Cloud SDK
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"text/tabwriter"

	"github.com/headgate/headgate/internal/platform/launch"
)

// row is a line of the table.
type row struct {
	measure, got, target string
	peak                 float64 // peak resident memory in MB; negative if no process was measured
	ok                   bool
}

type bench struct {
	ctx    context.Context
	rows   []row
	events int
	// peak is the peak resident memory, in MB, of the process that the next row measures. 0
	// means this process.
	peak float64
}

// add appends a row with the result of a measurement, and resets the peak for the next one.
func (b *bench) add(ok bool, measure, target, format string, args ...any) {
	r := row{measure, fmt.Sprintf(format, args...), target, b.peak, ok}
	if r.peak == 0 {
		_, r.peak, _ = memory(os.Getpid())
	}
	b.rows = append(b.rows, r)
	b.peak = 0
	resetPeak()
	fmt.Fprintf(os.Stderr, "%s: %s (to reach: %s; peak %s)\n", r.measure, r.got, r.target, r.resident())
}

// resident returns the peak as the table shows it.
func (r row) resident() string {
	if r.peak < 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f MB", r.peak)
}

func main() {
	launch.TuneGC(os.Getenv)
	b := &bench{ctx: context.Background()}
	only := flag.String("only", "", "comma-separated sections: embedded, keys, closing, process, syncs, twoway, push, live, waiting, concurrent, operations, keyoperations")
	flag.IntVar(&b.events, "events", 20_000, "events per measured run on the embedded store; a tenth of it on the emulators")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}

	emulators := os.Getenv("FIRESTORE_EMULATOR_HOST") != "" && os.Getenv("PUBSUB_EMULATOR_HOST") != ""
	for _, s := range []struct {
		name      string
		emulators bool
		run       func(*bench) error
	}{
		{"embedded", false, embedded},
		{"keys", false, keys},
		{"closing", false, closing},
		{"process", false, process},
		{"syncs", false, syncs},
		{"twoway", false, twoWay},
		{"push", false, push},
		{"live", false, lives},
		{"waiting", true, waiting},
		{"concurrent", true, concurrent},
		{"operations", true, operations},
		{"keyoperations", true, keyOperations},
	} {
		if *only != "" && !strings.Contains(","+*only+",", ","+s.name+",") {
			continue
		}
		if s.emulators && !emulators {
			fmt.Fprintf(os.Stderr, "%s: skipped, because FIRESTORE_EMULATOR_HOST and PUBSUB_EMULATOR_HOST are not both set\n", s.name)
			continue
		}
		if err := s.run(b); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, err)
			os.Exit(1)
		}
	}
	fmt.Printf("%s, %s/%s, %d cores\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| Measure\t| Got\t| To reach\t| \t| Peak RSS\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range b.rows {
		mark := "reached"
		if !r.ok {
			mark = "missed"
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.measure, r.got, r.target, mark, r.resident())
	}
	_ = w.Flush()
}
