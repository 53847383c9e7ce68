package main

// section measures some rows. It is run several times, each time with its setup.
type section struct {
	name string
	run  func(*bench) error
	// emulators says that the section needs those of Firestore and Pub/Sub.
	emulators bool
	// quick says that the section is part of the quick bench, for which it takes sizes from
	// bench.size.
	quick bool
	// runs bounds the runs of a section; 0 means no bound. It is 1 for those that take minutes, for
	// medians of several rounds, and for counts that are the same in each run.
	runs int
	// quickRuns is runs for the quick bench.
	quickRuns int
}

// most returns how often the section is run where the flags say how often sections are.
func (s section) most(runs int, quick bool) int {
	bound := s.runs
	if quick {
		bound = s.quickRuns
	}
	if bound > 0 {
		return min(runs, bound)
	}
	return runs
}

var sections = []section{
	{name: "embedded", run: embedded, quick: true},
	{name: "ingest", run: ingest},
	{name: "million", run: million, runs: 1},
	{name: "keys", run: keys, runs: 1},
	{name: "closing", run: closing, runs: 1},
	{name: "process", run: process, quick: true},
	{name: "scale", run: scale, quick: true, quickRuns: 1},
	{name: "syncs", run: syncs, quick: true},
	{name: "twoway", run: twoWay},
	{name: "push", run: push, runs: 1},
	{name: "live", run: lives, quick: true},
	{name: "livepeers", run: livePeers},
	{name: "waiting", run: waiting, emulators: true},
	{name: "concurrent", run: concurrent, emulators: true},
	{name: "eventsync", run: eventSync, emulators: true},
	{name: "processor", run: processor, emulators: true},
	{name: "operations", run: countOperations, emulators: true, quick: true, quickRuns: 1},
	{name: "keyoperations", run: keyOperations, emulators: true, runs: 1},
	{name: "intofirestore", run: intoFirestore, emulators: true, runs: 1}, // last, because the emulator keeps all documents in memory
}
