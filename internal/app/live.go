package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/busqueue"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/live/journal"
	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/internal/live/token"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/live"
)

// cloudConnection ends connections before Cloud Run does, which cuts off a request after
// an hour.
const cloudConnection = 55 * time.Minute

// notifyTimeout bounds how long a change waits for the bus.
const notifyTimeout = 2 * time.Second

// Live is the push of changes to clients.
type Live struct {
	Hub     *live.Hub
	Tokens  *token.Verifier // nil: tokens are not accepted
	Journal journal.Journal // what was sent to clients last

	shared bool // changes reach other instances, and theirs reach this one
}

// Live returns the push of changes.
func (a *App) Live() *Live { return a.live }

func (a *App) newLive() (*Live, error) {
	cfg := a.o.Config.Live
	l := &Live{}
	o := live.Options{Resolver: a.resolver, Log: a.o.Log, Now: a.o.Now, MaxMemory: a.o.Memory.Live.Total()}
	// Entities about Headgate itself are left out: a viewer of this page would cause what
	// it is then told of, for ever.
	o.ClientsChanged = func(k live.Key) {
		if k.Org != OwnOrg {
			a.own(ClientType, AllOf)
		}
	}
	o.Delivered = func(d live.Delivery) {
		if d.Key.Org != OwnOrg {
			l.Journal.Add(d)
			a.own(ClientType, AllOf)
		}
	}
	topic := a.o.LiveTopic
	if !a.o.RunsOn {
		o.MaxConnection = cloudConnection
	}
	if cfg != nil {
		o.MaxSubscriptions, o.MaxFrameBytes, o.FramesPerSecond = cfg.MaxSubscriptions, cfg.MaxFrameBytes, cfg.FramesPerSecond
		o.CompareEvery = time.Duration(cfg.CompareSeconds) * time.Second
		if cfg.MaxConnectionSeconds > 0 {
			o.MaxConnection = time.Duration(cfg.MaxConnectionSeconds) * time.Second
		}
		if cfg.Topic != "" {
			topic = cfg.Topic
		}
		if t := cfg.Token; t != nil {
			secret, err := a.secret(context.Background(), t.Secret)
			if err != nil {
				return nil, fmt.Errorf("live.token.secret: %w", err)
			}
			l.Tokens = &token.Verifier{
				Secret: []byte(secret), JWKSURL: t.JWKSURL, Issuer: t.Issuer, Audience: t.Audience, HTTP: a.o.Env.HTTP, Now: a.o.Now,
			}
		}
		if cfg.PassThrough != nil {
			o.PassThrough = a.passThrough
		}
	}
	if l.shared = topic != ""; l.shared {
		o.Queue = busqueue.New(a.o.Bus, topic, "headgate-live-"+event.NewID(time.Now()))
	}
	l.Hub = live.New(o)
	return l, nil
}

// resolver returns the resolver of an entity's type: the configuration names one, or
// its entities are records of ours.
func (a *App) resolver(k live.Key) live.Resolver {
	if k.Org == OwnOrg {
		return ownResolver{}
	}
	if cfg := a.o.Config.Live; cfg != nil {
		for _, r := range cfg.Resolvers {
			if r.Entity == k.Entity() || r.Entity == k.Type {
				timeout := 5 * time.Second
				if r.TimeoutSeconds > 0 {
					timeout = time.Duration(r.TimeoutSeconds) * time.Second
				}
				return &resolver.HTTP{Client: a.o.Env.HTTP, URL: r.URL, Timeout: timeout, Memory: a.o.Memory.Work}
			}
		}
	}
	if k.Org == live.DefaultOrg && (k.Type == ListType || k.Type == SessionType) {
		return listResolver{a.incoming, a.sessions}
	}
	if k.Org == live.DefaultOrg && k.Type == DraftType {
		return draftResolver{a.drafts}
	}
	return recordResolver{a.ents}
}

// recordResolver has the records of organisations.
type recordResolver struct{ records *entity.Service }

func (recordResolver) PerSecret() bool { return false }

func (r recordResolver) Resolve(ctx context.Context, k live.Key, _ string) (live.State, error) {
	e, err := r.records.Get(ctx, k.Org, k.Type, k.ID)
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound, fault.Gone:
		return live.State{Gone: true}, nil
	default:
		return live.State{}, err
	}
	row, err := withID(e.Data, k.ID)
	return live.State{Version: fmt.Sprint(e.Version), Rows: [][]byte{row}}, err
}

// withID puts the record's id into its data, unless the data has one.
func withID(data []byte, id string) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	if _, has := m["id"]; has {
		return data, nil
	}
	text, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	rest := bytes.TrimPrefix(bytes.TrimSpace(data), []byte("{"))
	if len(m) > 0 {
		text = append(text, ',')
	}
	return append(append([]byte(`{"id":`), text...), rest...), nil
}

// Notify tells the clients of every instance that entities changed. Unavailable means
// that only clients of this instance were told.
func (a *App) Notify(ctx context.Context, keys []live.Key) error {
	if err := a.live.Hub.Notify(ctx, keys...); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the bus does not answer: only the clients of this instance were told")
	}
	return nil
}

// changed is called after records were committed. It returns at once, so that the writer
// does not wait for the bus. Where the process has CPU only while a request runs, it
// returns when it is done.
func (a *App) changed(org, recordType string, ids []string) {
	if !a.live.shared && a.live.Hub.Len() == 0 && len(a.o.Config.Drafts) == 0 {
		return
	}
	keys := make([]live.Key, len(ids))
	for i, id := range ids {
		keys[i] = live.Key{Org: org, Type: recordType, ID: id}
	}
	tell := func() {
		ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
		defer cancel()
		if err := a.Notify(ctx, keys); err != nil {
			a.o.Log.Warn("not every instance heard of a change: a comparison of versions makes up for it", "error", err)
		}
		looking, stop := context.WithTimeout(context.Background(), refreshTime) // the bus may have taken all of ctx
		defer stop()
		a.refreshDrafts(looking, a.showsRecords(looking, org, recordType))
	}
	if a.o.RunsOn {
		a.telling.Go(tell)
	} else {
		tell()
	}
}

// passThrough gives a client's frame to the URL or the topic that the
// configuration names.
func (a *App) passThrough(ctx context.Context, secret string, frame []byte) error {
	to := a.o.Config.Live.PassThrough
	if to.Topic != "" {
		attributes := map[string]string{"type": "headgate.frame.v1"}
		if secret != "" && len(secret) <= 1024 {
			attributes["secret"] = secret
		}
		_, err := a.o.Bus.Publish(ctx, to.Topic, bus.Message{Data: frame, Attributes: attributes})
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(frame))
	if err != nil {
		return errors.New("live.passThrough.url cannot be called")
	}
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set(live.SecretHeader, secret)
	}
	resp, err := a.o.Env.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("live.passThrough.url does not answer: %w", fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("live.passThrough.url answers %s", fault.Status(resp.StatusCode))
	}
	return nil
}

// Drain sends live clients to other instances. Their requests do not end by themselves.
func (a *App) Drain() { a.live.Hub.Drain() }

// startLive starts the hub where there can be clients. Elsewhere it only notifies.
func (a *App) startLive() {
	if a.o.ServesLive {
		a.live.Hub.Start()
	}
}

// liveReady returns an error if changes of other instances should arrive and do not.
func (a *App) liveReady() error {
	if a.o.ServesLive && a.stop != nil && !a.live.Hub.Connected() {
		return fault.New(fault.Unavailable, "signals of other instances do not arrive")
	}
	return nil
}
