package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/config"
)

// anchored returns the configuration of a service with correlation keys, whose windows close
// that many seconds after they open.
func anchored(endpoints string, seconds int) (*config.Config, error) {
	return config.Parse(fmt.Appendf(nil, `{"serviceName":"bench","trigger":{"type":"window","window":"anchored","observationPeriod":%d,"onClose":"partial"},
		"endpoints":[%s],"targetPubSub":{"topic":%q}%s}`, seconds, endpoints, topic, correlated))
}

// closing measures how late windows are closed by the ticker of a local process. Their
// deadlines are spread evenly over a minute.
func closing(b *bench) error {
	const windows, period = 10_000, 10 * time.Second
	cfg, err := anchored(bothPlain, int(period.Seconds()))
	if err != nil {
		return err
	}
	s, err := serveEmbeddedConfig(b.ctx, cfg)
	if err != nil {
		return err
	}
	defer s.stop()
	s.app.Start()
	began := time.Now()
	_, err = loadWith(s.base, windows, 16, func(i int) (string, []byte) {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Minute / windows)))
		return "/event/a", keyed(fmt.Sprint("k", i), i)
	})
	if err != nil {
		return err
	}
	time.Sleep(period)
	var late []time.Duration
	for tries := 0; len(late) < windows; tries++ {
		if tries == 60 {
			return fmt.Errorf("%d of %d windows are published", len(late), windows)
		}
		time.Sleep(time.Second)
		if late, err = lateness(s.base); err != nil {
			return err
		}
	}
	slices.Sort(late)
	p99 := late[windows*99/100]
	b.add(row{measure: "from a window's deadline until its message is published, 10,000 windows that close within one minute, embedded, local ticker, p99",
		value: milliseconds(p99), unit: "ms", goal: atMost(1500)},
		"p99 %v, p50 %v, longest %v", p99.Round(time.Millisecond), late[windows/2].Round(time.Millisecond), late[windows-1].Round(time.Millisecond))
	return nil
}

// lateness returns for each published message how long after its window's deadline it was
// published.
func lateness(base string) (late []time.Duration, err error) {
	for after := ""; ; {
		var page struct {
			Messages []struct {
				Closes      time.Time
				PublishedAt *time.Time
			}
			Next *string
		}
		if err := get(base+"/messages?limit=1000"+after, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			if m.PublishedAt != nil && !m.PublishedAt.IsZero() {
				late = append(late, m.PublishedAt.Sub(m.Closes))
			}
		}
		if page.Next == nil {
			return late, nil
		}
		after = "&after=" + *page.Next
	}
}
