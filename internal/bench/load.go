package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/platform/launch"
)

// body is the content of each event.
var body = bytes.Repeat([]byte("x"), 300)

// result holds the rate and the latencies of a load.
type result struct {
	rate float64 // requests per second
	p50  time.Duration
	p99  time.Duration
}

// load sends n requests over conns connections, request i to path(i).
func load(base string, n, conns int, path func(i int) string) (result, error) {
	return loadWith(base, n, conns, func(i int) (string, []byte) { return path(i), body })
}

// loadWith sends n requests over conns connections, and takes each one's path and body from
// request.
func loadWith(base string, n, conns int, request func(i int) (path string, body []byte)) (result, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	latencies := make([]time.Duration, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range conns {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failed.Load() != nil {
					return
				}
				path, body := request(i)
				at := time.Now()
				if err := postBody(client, base+path, body); err != nil {
					failed.Store(&err)
					return
				}
				latencies[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	if err := failed.Load(); err != nil {
		return result{}, *err
	}
	slices.Sort(latencies)
	return result{float64(n) / took.Seconds(), latencies[n/2], latencies[n*99/100]}, nil
}

func post(client *http.Client, url string) error { return postBody(client, url, body) }

func postBody(client *http.Client, url string, body []byte) error {
	resp, err := client.Post(url, "text/plain", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, b)
	}
	return err
}

// alternating returns the paths of the two endpoints in turn.
func alternating(i int) string { return [...]string{"/event/a", "/event/b"}[i%2] }

// oneSided returns the path of the first endpoint only, so that the window never completes.
func oneSided(int) string { return "/event/a" }

// service returns the configuration of the bench: two endpoints and a long window.
func service(topic string) (*config.Config, error) {
	return config.Parse([]byte(serviceJSON(topic)))
}

func serviceJSON(topic string) string {
	return fmt.Sprintf(`{"serviceName":"bench","trigger":{"type":"window","observationPeriod":36000},
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":%q}}`, topic)
}

const topic = "projects/headgate-bench/topics/sync"

// serve runs the real handler with the drivers on a free port.
func serve(st app.Store, b bus.Bus) (base string, stop func(), err error) {
	cfg, err := service(topic)
	if err != nil {
		return "", nil, err
	}
	_, base, stop, err = serveConfig(cfg, st, b)
	return base, stop, err
}

// serveConfig is serve for a configuration of its own. The app's background work, as in a
// local process, begins with its Start.
func serveConfig(cfg *config.Config, st app.Store, b bus.Bus) (a *app.App, base string, stop func(), err error) {
	a, err = app.New(app.Options{
		Config: cfg, Store: st, Bus: b, Log: slog.New(slog.DiscardHandler), Platform: hosting.Machine, Memory: budgets(),
		SweepEvery: 10 * time.Second, // without it the app has no ticker
	})
	if err != nil {
		return nil, "", nil, err
	}
	h, err := functions.Handler(a)
	if err != nil {
		return nil, "", nil, err
	}
	base, stopServer, err := listen(h)
	return a, base, func() { stopServer(); _ = a.Close(context.Background()) }, err
}

// budgets returns the memory budgets that a real process would have on this machine.
func budgets() budget.Memory { return budget.Divide(launch.FromEnv(os.Getenv).Memory) }

func listen(h http.Handler) (base string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = server.Close() }, nil
}

// census reads all messages, and counts for each event the messages that contain it.
func census(base string) (messages int, in map[string]int, err error) {
	in = make(map[string]int)
	after := ""
	for {
		var page struct {
			Messages []struct{ EventID string }
			Next     *string
		}
		if err := get(base+"/messages?limit=200"+after, &page); err != nil {
			return 0, nil, err
		}
		for _, m := range page.Messages {
			var msg struct {
				Events map[string]struct{ Events []struct{ ID string } }
			}
			if err := get(base+"/messages/"+m.EventID, &msg); err != nil {
				return 0, nil, err
			}
			messages++
			for _, list := range msg.Events {
				for _, e := range list.Events {
					in[e.ID]++
				}
			}
		}
		if page.Next == nil {
			return messages, in, nil
		}
		after = "&after=" + *page.Next
	}
}

func get(url string, v any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

var client = &http.Client{Timeout: time.Minute}
