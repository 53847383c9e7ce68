// Command bench measures Headgate, and compares it with simple baselines (floors) that it
// measures in the same run. It prints the table of docs/performance.md. The embedded store
// needs no setup; the rows of Firestore and Pub/Sub need their emulators.
//
//	go run ./internal/bench            # embedded only
//	make bench                         # with the emulators of the Google Cloud SDK
//	make bench-quick                   # fewer rows of smaller sizes, compared with committed ones
//
// A section (sections.go) measures some rows. It is run three times, and the table shows the row
// with the median figure, and the spread. A new section is a function in a file of its own and a
// line in the list.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"github.com/headgate/headgate/internal/platform/launch"
)

type bench struct {
	ctx    context.Context
	rows   []row
	events int
	quick  bool
	bin    string            // of the real binary, once it is built
	temp   []string          // directories to remove at the end
	stored map[string]string // directories with stores that several runs use
	peer   string            // the URL of EventSync's service, or ""
	// peak is the peak resident memory, in MB, of the process that the next row measures. 0
	// means this process.
	peak float64
}

// size returns the first size, or the second one in the quick bench. What a row's measure says of
// its size must come from it.
func (b *bench) size(whole, quick int) int {
	if b.quick {
		return quick
	}
	return whole
}

// tempDir makes a directory that is removed when all sections have run.
func (b *bench) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err == nil {
		b.temp = append(b.temp, dir)
	}
	return dir, err
}

// binary returns the path of the real binary as it is released. It builds it once.
func (b *bench) binary() (path string, err error) {
	if b.bin != "" {
		return b.bin, nil
	}
	dir, err := b.tempDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "headgate")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	b.bin = path
	return path, nil
}

// add appends a row with the result of a measurement, and resets the peak for the next one. The
// words, made as by fmt.Sprintf, show the figure and what it was computed from.
func (b *bench) add(r row, words string, args ...any) {
	r.words, r.peak = fmt.Sprintf(words, args...), b.peak
	if r.peak == 0 {
		_, r.peak, _ = memory(os.Getpid())
	}
	b.rows = append(b.rows, r)
	b.peak = 0
	resetPeak()
	fmt.Fprintf(os.Stderr, "%s: %s (to reach: %s; peak %s)\n", r.measure, r.words, r.target(), r.resident())
}

func main() {
	launch.TuneGC(os.Getenv)
	err := error(nil)
	if len(os.Args) == 3 && os.Args[1] == bareSockets {
		err = serveBare(os.Args[2])
	} else {
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() (err error) {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	b := &bench{ctx: context.Background()}
	only := flag.String("only", "", "comma-separated sections: "+strings.Join(names, ", "))
	runs := flag.Int("runs", 3, "how often each section is run, except those that take long")
	flag.IntVar(&b.events, "events", 0, "events per measured run on the embedded store (20000; 4000 in the quick bench); a tenth of it on the emulators")
	flag.BoolVar(&b.quick, "quick", false, "measure fewer rows of smaller sizes")
	flag.StringVar(&b.peer, "eventsync", "", eventSyncHelp)
	file := flag.String("committed", "docs/performance.json", "the file with the committed figures, with which ratios, operations and sizes of memory are compared")
	write := flag.Bool("write", false, "write the measured figures to that file instead, and scale.svg beside it")
	strict := flag.Bool("strict", false, "fail if a figure fell")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if b.events == 0 {
		b.events = b.size(20_000, 4_000)
	}
	c, err := readCommitted(*file)
	if err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	defer func() {
		for _, dir := range b.temp {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	err = b.measure(*only, *runs)
	rows := fold(b.rows)
	fmt.Printf("%s\n\n", machine())
	printTable(os.Stdout, rows)
	if *write {
		c.put(b.quick, rows)
		if picture := plot(rows); picture != "" && !b.quick {
			err = errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(*file), "scale.svg"), []byte(picture), 0o644)) //nolint:gosec // a page of the repository, which everyone may read
		}
		return errors.Join(err, c.write(*file))
	}
	worse := fallen(*c.list(b.quick), rows)
	if len(worse) > 0 {
		fmt.Printf("\nWorse than committed by more than %.0f %%:\n", tolerance*100)
	}
	for _, text := range worse {
		fmt.Println("- " + text)
	}
	if *strict && len(worse) > 0 {
		err = errors.Join(err, fmt.Errorf("%d figures fell", len(worse)))
	}
	return err
}

// measure runs the sections. One that fails does not keep the others from running.
func (b *bench) measure(only string, runs int) (err error) {
	emulators := os.Getenv("FIRESTORE_EMULATOR_HOST") != "" && os.Getenv("PUBSUB_EMULATOR_HOST") != ""
	for _, s := range sections {
		if only != "" && !strings.Contains(","+only+",", ","+s.name+",") || b.quick && !s.quick {
			continue
		}
		if s.emulators && !emulators {
			fmt.Fprintf(os.Stderr, "%s: skipped, because FIRESTORE_EMULATOR_HOST and PUBSUB_EMULATOR_HOST are not both set\n", s.name)
			continue
		}
		n := runs
		if s.runs > 0 {
			n = min(n, s.runs)
		}
		for range n {
			if failed := s.run(b); failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", s.name, failed))
				break
			}
		}
	}
	return err
}
