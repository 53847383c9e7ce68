package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// longest is the time that one run of a section may take. Those that take longest need
	// about two minutes.
	longest = 6 * time.Minute
	// giveUp is the time in which a section returns after its processes have been ended.
	giveUp = 30 * time.Second
)

var errHangs = errors.New("it does not return, so the bench ends here")

// chosen returns the sections that the flags name and for which there are emulators.
func (b *bench) chosen(only string) (list []section) {
	emulators := os.Getenv("FIRESTORE_EMULATOR_HOST") != "" && os.Getenv("PUBSUB_EMULATOR_HOST") != ""
	for _, s := range sections {
		switch {
		case only != "" && !strings.Contains(","+only+",", ","+s.name+","), b.quick && !s.quick:
		case s.emulators && !emulators:
			b.leaveOut("%s: left out, because FIRESTORE_EMULATOR_HOST and PUBSUB_EMULATOR_HOST are not both set", s.name)
		default:
			list = append(list, s)
		}
	}
	return list
}

// measure runs all sections once, then again those that are to be run more often, and so on. So
// each has its rows even if the time is short. One that fails does not keep the others from
// running: its error is a row.
func (b *bench) measure(list []section, runs int, until time.Time) (err error) {
	took := make(map[string]time.Duration)
	for run := range runs {
		for _, s := range list {
			left := time.Until(until)
			switch {
			case run >= s.most(runs, b.quick):
				continue
			case run == 0 && left <= 0:
				b.leaveOut("%s: left out, because the time is over", s.name)
				continue
			case run > 0 && left < took[s.name]:
				fmt.Fprintf(os.Stderr, "%s: only %d runs, because the time is over\n", s.name, run)
				continue
			}
			began := time.Now()
			fmt.Fprintf(os.Stderr, "%s begin %s, run %d\n", began.Format(time.TimeOnly), s.name, run+1)
			failed := b.runSection(s, min(longest, left))
			took[s.name] = time.Since(began)
			fmt.Fprintf(os.Stderr, "%s end %s, %v\n", time.Now().Format(time.TimeOnly), s.name, took[s.name].Round(100*time.Millisecond))
			if failed != nil {
				b.peak = noProcess
				b.add(row{measure: "section " + s.name, failed: true}, "%v", failed)
				err = errors.Join(err, fmt.Errorf("%s: %w", s.name, failed))
			}
			if errors.Is(failed, errHangs) {
				return err
			}
		}
	}
	return err
}

// runSection runs a section, and ends its processes if it takes too long.
func (b *bench) runSection(s section, atMost time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- s.run(b) }()
	select {
	case err := <-done:
		b.stopAll() // what an error left
		return err
	case <-time.After(atMost):
		b.close()
	}
	err := fmt.Errorf("it took longer than %v", atMost.Round(time.Second))
	select {
	case failed := <-done:
		b.open()
		return errors.Join(err, failed)
	case <-time.After(giveUp):
		return errors.Join(err, errHangs)
	}
}
