package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/mock"
)

// mockServer is a stand-in for a system outside.
type mockServer struct {
	addr  string
	about string
	make  func(mock.Options) *mock.Server // nil: external-data
	rows  func(s *mock.Server, n int) error
	try   func(base string) string
}

var mockServers = map[string]mockServer{
	"sync-server": {
		addr: "127.0.0.1:3000", about: "DataCollect's mock sync server", make: mock.NewSyncServer, rows: mockEvents,
		try: func(base string) string {
			return "curl " + base + "/mock-sync\n" + definition(`{"externalSync":{"type":"mock-sync-server","url":"`+base+`/mock-sync","extraFields":[]}}`)
		},
	},
	"openfn": {
		addr: "127.0.0.1:3001", about: "OpenFn", make: mock.NewOpenFn, rows: mockEvents,
		try: func(base string) string {
			return "curl -H 'X-Api-Key: any' " + base + "/events\n" +
				definition(`{"externalSync":{"type":"openfn-adapter","url":"`+base+`/events","extraFields":[{"name":"apiKey","value":"any"}]}}`)
		},
	},
	"mywell": {
		addr: "127.0.0.1:3002", about: "LegacyMyWell", make: mock.NewMyWell, rows: mockWells,
		try: func(base string) string {
			return "curl " + base + "/api/resources\n" +
				definition(`{"orgId":"mywell","type":"both","datasource":{"type":"legacy-mywell","url":"`+base+`"}}`)
		},
	},
	"external-data": {
		addr: "127.0.0.1:3003", about: "The mock data service of Fluid's external-data example",
		try: func(base string) string {
			return "curl " + base + "/fetch-tasks\n" +
				`curl -d '{"url":"http://127.0.0.1:8080/echo-external-data-webhook"}' ` + base + "/register-for-webhook\n" +
				`curl -d '{"taskList":{"12":{"name":"Alpha","priority":7}}}' ` + base + "/set-tasks"
		},
	},
}

func definition(text string) string { return "curl -d '" + text + "' http://127.0.0.1:8080/sync" }

const mockUsage = "mock sync-server, mock openfn, mock mywell or mock external-data"

// mockHandler is a server that can be made to misbehave.
type mockHandler interface {
	http.Handler
	SetFaults(mock.Faults)
}

// mockCommand serves a mock server until ctx ends.
func mockCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: %s", errUsage, mockUsage)
	}
	m, ok := mockServers[args[0]]
	if !ok {
		return fmt.Errorf("%w: no mock server %q: %s", errUsage, args[0], mockUsage)
	}
	fs := flag.NewFlagSet("headgate mock "+args[0], flag.ContinueOnError)
	fs.SetOutput(stderr)
	addr := fs.String("addr", m.addr, "listen here")
	rows := new(int)
	if m.make != nil { // the others begin with samples
		rows = fs.Int("rows", 5, "rows to begin with")
	}
	faults := mock.Faults{}
	fs.Func("fault", "what goes wrong, `NAME=VALUE`: rate500=0.1, delayMs=200, repeatPage=true … (any number of times)", func(s string) error {
		return setFault(faults, s)
	})
	if err := fs.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if fs.NArg() > 0 || *rows < 0 || *rows > 1_000_000 {
		return fmt.Errorf("%w: %s [-addr HOST:PORT] [-rows 0..1000000] [-fault NAME=VALUE]", errUsage, mockUsage)
	}
	var s mockHandler = mock.NewExternalData(mock.Options{})
	if m.make != nil {
		withRows := m.make(mock.Options{})
		if err := m.rows(withRows, *rows); err != nil {
			return err
		}
		s = withRows
	}
	s.SetFaults(faults)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(stdout, "%s at %s\n\nTry it:\n  %s\n", m.about, base, strings.ReplaceAll(m.try(base), "\n", "\n  "))
	fmt.Fprintf(stdout, "  curl -X PUT -d '{\"rate500\":0.5}' %s/faults\n\n", base)
	return serveUntil(ctx, listener, s)
}

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

// mockEvents puts events there, of the last minutes.
func mockEvents(s *mock.Server, n int) error {
	now := time.Now().UTC()
	for i := range n {
		err := s.Put("event", mock.Row{
			"guid": fmt.Sprintf("event-%06d", i), "entityGuid": fmt.Sprintf("household-%03d", i%100), "type": "update-entity",
			"data": map[string]any{"members": i%7 + 1}, "timestamp": now.Add(time.Duration(i-n) * time.Second).Format(time.RFC3339), "userId": "mock", "syncLevel": 1,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mockWells puts a village with wells there, and a reading of each.
func mockWells(s *mock.Server, n int) error {
	const postcode = 313603
	err := s.Put("village", mock.Row{"id": 11, "postcode": postcode, "name": "Dharta", "geo": map[string]any{"lat": 24.59, "lng": 74.19}})
	for i := 0; err == nil && i < n; i++ {
		id := 1111500 + i
		err = errors.Join(
			s.Put("resource", mock.Row{"id": id, "postcode": postcode, "villageId": 11, "type": "well", "owner": fmt.Sprintf("Owner %d", i+1), "geo": map[string]any{"lat": 24.5 + float64(i)/1e4, "lng": 74.2}}),
			s.Put("reading", mock.Row{"id": i + 1, "postcode": postcode, "resourceId": id, "villageId": 11, "date": "2026-01-05T00:00:00.000Z", "value": 8.5 + float64(i%10)/10}),
		)
	}
	return err
}
