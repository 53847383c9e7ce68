// Package e2e contains the tests that run Headgate as a process: they build the binary,
// start it as a child, talk to it over HTTP and Pub/Sub, and kill it.
//
//	HEADGATE_E2E_RACE=1        build the binary with the race detector
//	HEADGATE_CRASH_ROUNDS=200  how often the crash tests kill it, on each store
//	HEADGATE_ATTACK=1          run the attacks that need much time or memory
//
// Tests that need emulators are skipped where there are none; see internal/emulator.
package e2e
