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
//
// Whatever ends the bench, an error or a signal, it shows and writes the rows that it has measured,
// and leaves no process and no temporary file behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/headgate/headgate/internal/platform/launch"
)

type bench struct {
	processes
	ctx    context.Context
	events int
	quick  bool
	bin    string            // of the real binary, once it is built
	stored map[string]string // directories with stores that several runs use
	peers  []string          // URLs of EventSync's services, of which each run takes one
	warm   bool              // the emulators' JVMs have compiled
	// peak is the peak resident memory, in MB, of the process that the next row measures. 0
	// means this process.
	peak float64

	adding sync.Mutex // held to read or change what follows
	rows   []row
	whole  bool // no row was left out
}

// size returns the first size, or the second one in the quick bench. What a row's measure says of
// its size must come from it.
func (b *bench) size(whole, quick int) int {
	if b.quick {
		return quick
	}
	return whole
}

// binary returns the path of the real binary as it is released. It builds it once.
func (b *bench) binary() (path string, err error) {
	if b.bin != "" {
		return b.bin, nil
	}
	dir, err := os.MkdirTemp("", "binary")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "headgate")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if _, err := b.output(build); err != nil {
		return "", fmt.Errorf("build: %w", err)
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
	b.adding.Lock()
	b.rows = append(b.rows, r)
	b.adding.Unlock()
	b.peak = 0
	resetPeak()
	fmt.Fprintf(os.Stderr, "%s: %s (to reach: %s; peak %s)\n", r.measure, r.words, r.target(), resident(r.peak))
}

// leaveOut says why rows are left out.
func (b *bench) leaveOut(why string, args ...any) {
	fmt.Fprintf(os.Stderr, why+"\n", args...)
	b.adding.Lock()
	defer b.adding.Unlock()
	b.whole = false
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

// options are the flags that the measurements do not need.
type options struct {
	only, committed, profile string
	runs                     int
	within                   time.Duration
	write, strict            bool
}

func flags() (b *bench, o options) {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	b = &bench{ctx: context.Background()}
	flag.StringVar(&o.only, "only", "", "comma-separated sections: "+strings.Join(names, ", "))
	flag.IntVar(&o.runs, "runs", 3, "how often each section is run, except those that take long")
	flag.DurationVar(&o.within, "within", 40*time.Minute, "the time after which no section is run; one that would take longer than what is left of it is not run again")
	flag.IntVar(&b.events, "events", 0, "events per measured run on the embedded store (20000; 4000 in the quick bench); a tenth of it on the emulators")
	flag.BoolVar(&b.quick, "quick", false, "measure fewer rows of smaller sizes")
	peers := flag.String("eventsync", "", eventSyncHelp)
	flag.StringVar(&o.committed, "committed", "docs/performance.json", "the file with the committed figures, with which ratios, operations and sizes of memory are compared")
	flag.BoolVar(&o.write, "write", false, "write the measured figures to that file instead, and, beside it, scale.svg and the table of performance.md")
	flag.BoolVar(&o.strict, "strict", false, "fail if a figure fell")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if b.events == 0 {
		b.events = b.size(20_000, 4_000)
	}
	if *peers != "" {
		b.peers = strings.Split(*peers, ",")
	}
	b.whole = o.only == ""
	return b, o
}

func run() (err error) {
	b, o := flags()
	c, err := readCommitted(o.committed)
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// Whoever reads our output may get the same signal and end first. Without this, the next line
	// that we print would end us before the rows are written.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(dir)) }()
	// All temporary files are in one directory: those of the programs that we start as well.
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return err
	}

	done := make(chan error, 1)
	go func() { done <- b.measure(b.chosen(o.only), o.runs, time.Now().Add(o.within)) }()
	select {
	case err = <-done:
	case s := <-signals:
		b.leaveOut("the rows that are missing are left out")
		err = fmt.Errorf("the bench was ended by the signal %v", s)
	}
	rows, whole := b.measured()
	b.close() // after this, an interrupted section only adds its error
	return errors.Join(err, report(c, o, b.quick, whole, rows))
}

// measured returns the rows so far, and whether none was left out.
func (b *bench) measured() (rows []row, whole bool) {
	b.adding.Lock()
	defer b.adding.Unlock()
	return fold(b.rows), b.whole
}

// remove removes a directory in which a section that is still running may make files.
func remove(dir string) (err error) {
	for range 20 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// report prints the table of what was measured, and compares or writes its figures.
func report(c committed, o options, quick, whole bool, rows []row) error {
	fmt.Printf("%s\n\n%s", machine(), table(keep(rows)))
	if o.write {
		c.put(quick, whole, rows)
		return c.write(o.committed, quick, plot(rows))
	}
	worse := fallen(*c.list(quick), rows)
	if len(worse) > 0 {
		fmt.Printf("\nWorse than committed by more than %.0f %%:\n", tolerance*100)
	}
	for _, text := range worse {
		fmt.Println("- " + text)
	}
	if o.strict && len(worse) > 0 {
		return fmt.Errorf("%d figures fell", len(worse))
	}
	return nil
}
