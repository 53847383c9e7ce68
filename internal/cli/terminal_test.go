//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// atTerminal runs the command with a terminal as its standard error, and returns what it wrote
// there.
func atTerminal(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	defer master.Close()
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}))
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(master) // it fails as soon as nobody has the terminal open
		said <- string(text)
	}()
	status := Main(t.Context(), Process{Args: args, Getenv: func(name string) string { return env[name] }, Stdout: io.Discard, Stderr: terminal})
	require.NoError(t, terminal.Close())
	text := <-said
	require.Zero(t, status, text)
	return text
}

// What lasts has a bar on a terminal, and the bar is gone at the end. Elsewhere, and on a
// terminal that cannot draw again, it is silent. It has no colours, whatever NO_COLOR says.
func TestWhatLastsHasABarOnATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	status, _, stderr := headgate(t, map[string]string{"CONFIG": configOf(dir, "")}, "sync", "apply", csvSync(t, dir, "good", false), "--data", data)
	require.Zero(t, status, stderr)
	copies := 0
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"backup", "COPY", "--data", data}, []string{"back up  ", " of ", " kB", "check the copy"}},
		{[]string{"restore", filepath.Join(dir, "copy1.db"), "--data", data}, []string{"restore  ", "check the copy"}},
		{[]string{"simulate", "--config", ordersCase + "config.json", "--events", ordersCase + "events.jsonl"}, []string{"simulate  ", "7 events"}},
	} {
		run := func(env map[string]string) string {
			args := append([]string{}, c.args...)
			if args[1] == "COPY" {
				copies++
				args[1] = filepath.Join(dir, fmt.Sprintf("copy%d.db", copies))
			}
			return atTerminal(t, env, args...)
		}
		drawn := run(nil)
		for _, want := range c.want {
			require.Contains(t, drawn, want)
		}
		require.Contains(t, drawn, "░", "%q", drawn)
		last := drawn[strings.LastIndex(strings.TrimRight(drawn, "\r\n"), "\r")+1:]
		require.NotContains(t, last, "░", "the bar is cleared: %q", drawn)
		require.NotContains(t, drawn, "\x1b")
		require.NotContains(t, run(map[string]string{"TERM": "dumb"}), "░")
	}
	status, _, stderr = headgate(t, nil, "backup", filepath.Join(dir, "quiet.db"), "--data", data)
	require.Zero(t, status)
	require.Empty(t, stderr)
}

// The bar of a run shows the share of the step at work, and its text is cut before it would wrap.
func TestRunHasABar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &progress{w: &out, terminal: true}
	p.draw(0.5, "pull well  40 rows"+strings.Repeat(" and more", 10))
	require.Contains(t, out.String(), "  50% "+strings.Repeat("█", barWidth/2)+strings.Repeat("░", barWidth/2))
	require.Contains(t, out.String(), "pull well  40 rows")
	require.Contains(t, out.String(), "…")
	p.draw(1, "pull well")
	require.Contains(t, out.String(), "  99% ", "until it has ended, something is to be done")
	before := out.Len()
	p.draw(-1, "push well")
	require.Contains(t, out.String()[before:], "push well")
	require.NotContains(t, out.String()[before:], "%")
	p.say("a notice")
	require.True(t, strings.HasSuffix(out.String(), "\ra notice\n"), "%q", out.String())
}
