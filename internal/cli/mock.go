package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/mock"
)

const maxMockRows = 1_000_000

func newMock(p *Process) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "mock SERVER", Short: "Serve a stand-in for a system outside", GroupID: groupTools,
		Long: `Serve a stand-in for a system outside, to try syncs, webhooks and drafts without the real
one. It keeps everything in memory and can be told to misbehave.`,
		Example: `  $ headgate mock mywell
  $ headgate mock openfn --rows 1000 --fault rate500=0.1 --fault delayMs=200`,
	}, "server")
	for _, m := range mockServers() {
		cmd.AddCommand(newMockServer(p, m))
	}
	return cmd
}

// mockHandler is a server that can be told to misbehave.
type mockHandler interface {
	http.Handler
	SetFaults(mock.Faults)
}

func newMockServer(p *Process, m mockServer) *cobra.Command {
	cmd := &cobra.Command{
		Use: m.name, Short: m.about,
		Long: fmt.Sprintf(`Serve a stand-in for a system outside. It prints what to try, and serves until it is
stopped. PUT /faults changes what goes wrong while it runs.

The system is %s.`, strings.Replace(m.about, "The mock", "the mock", 1)),
		Example: "  $ headgate mock " + m.name + "\n  $ headgate mock " + m.name + " --addr 127.0.0.1:9000 --fault rate500=0.1",
		Args:    noOperands,
	}
	addr := cmd.Flags().String("addr", m.addr, "listen on this `HOST:PORT`")
	rows := new(int)
	if m.make != nil { // the task list begins with samples of its own
		rows = cmd.Flags().Int("rows", 5, "begin with this `NUMBER` of rows")
	}
	faults := mock.Faults{}
	cmd.Flags().Func("fault", "misbehave as `NAME=VALUE` says: rate500=0.1, delayMs=200, repeatPage=true …; may be repeated", func(s string) error {
		return setFault(faults, s)
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *rows < 0 || *rows > maxMockRows {
			return wrongUsage("--rows must be from 0 to %d", maxMockRows)
		}
		return p.mock(cmd.Context(), m, *addr, *rows, faults)
	}
	return cmd
}

// mock serves the stand-in until ctx ends.
func (p *Process) mock(ctx context.Context, m mockServer, addr string, rows int, faults mock.Faults) error {
	var s mockHandler = mock.NewExternalData(mock.Options{})
	if m.make != nil {
		withRows := m.make(mock.Options{})
		if err := m.rows(withRows, rows); err != nil {
			return err
		}
		s = withRows
	}
	s.SetFaults(faults)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(p.Stdout, "%s at %s\n\nTry it:\n  %s\n", m.about, base, strings.ReplaceAll(m.try(base), "\n", "\n  "))
	fmt.Fprintf(p.Stdout, "  curl -X PUT -d '{\"rate500\":0.5}' %s/faults\n\n", base)
	return serveUntil(ctx, listener, s)
}

// setFault adds a fault that is written as NAME=VALUE, the value in JSON.
func setFault(faults mock.Faults, text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("must be NAME=VALUE")
	}
	key, err := json.Marshal(name)
	if err != nil {
		return err
	}
	var one mock.Faults
	if err := json.Unmarshal(fmt.Appendf(nil, "{%s:%s}", key, value), &one); err != nil {
		return err
	}
	for n, f := range one {
		faults[n] = f
	}
	return nil
}

// serveUntil serves until ctx ends, and then lets requests end.
func serveUntil(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return server.Close()
	}
	return nil
}
