package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/busqueue"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/live/journal"
	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/internal/live/token"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/live"
)

// cloudConnection is the longest time of a connection on Cloud Run, which cuts off a
// request after an hour.
const cloudConnection = 55 * time.Minute

// maxAttribute is the most that the value of a message's attribute may have, in bytes.
const maxAttribute = 1024

// Live is the push of changes to clients.
type Live struct {
	Hub     *live.Hub
	Tokens  *token.Verifier // nil: tokens are not accepted
	Journal journal.Journal // the last changes that clients were sent
}

// Live returns the push of changes.
func (a *App) Live() *Live { return a.live }

// signalTopic returns the topic that carries signals between instances; "": there is none.
func (o *Options) signalTopic() string {
	if cfg := o.Config.Live; cfg != nil && cfg.Topic != "" {
		return cfg.Topic
	}
	return o.LiveTopic
}

func (a *App) newLive() (*Live, error) {
	cfg := a.o.Config.LiveSettings()
	l := &Live{}
	o := live.Options{Resolver: a.flow.Resolver, Log: a.o.Log, Now: a.o.Now, MaxMemory: a.o.Memory.Live.Total()}
	o.ClientsChanged = func(k live.Key) {
		a.flow.ClientsChanged(k)
		if k == (live.Key{}) {
			a.clientJoined()
		}
	}
	o.Delivered = func(d live.Delivery) {
		if d.Key.Org != flow.OwnOrg { // only the console subscribes to those: listing them would not help its viewer
			l.Journal.Add(d)
		}
		a.flow.ClientsChanged(d.Key)
	}
	o.Traceparent, o.Trace = trace.Parent, a.traceLive
	if a.o.Platform.EndsRequests() {
		o.MaxConnection = cloudConnection
	}
	o.MaxSubscriptions, o.MaxFrameBytes, o.FramesPerSecond = cfg.MaxSubscriptions, cfg.MaxFrameBytes, cfg.FramesPerSecond
	o.CompareEvery = time.Duration(cfg.CompareSeconds) * time.Second
	if cfg.MaxConnectionSeconds > 0 {
		o.MaxConnection = time.Duration(cfg.MaxConnectionSeconds) * time.Second
	}
	if t := cfg.Token; t != nil {
		secret, err := a.secret(context.Background(), t.Secret)
		if err != nil {
			return nil, fmt.Errorf("live.token.secret: %w", err)
		}
		former, err := a.secret(context.Background(), t.FormerSecret)
		if err != nil {
			return nil, fmt.Errorf("live.token.formerSecret: %w", err)
		}
		a.warnOfTokens(secret, former)
		l.Tokens = &token.Verifier{
			Secret: []byte(secret), Former: []byte(former), JWKSURL: t.JWKSURL, Issuer: t.Issuer, Audience: t.Audience, HTTP: outbound.OrRefuse(a.o.LiveHTTP), Now: a.o.Now,
		}
	}
	if cfg.PassThrough != nil {
		o.PassThrough = a.passThrough
	}
	if topic := a.o.signalTopic(); topic != "" {
		o.Queue = busqueue.New(a.o.Bus, topic, "headgate-live-"+event.NewID(time.Now()))
	}
	l.Hub = live.New(o)
	return l, nil
}

// newResolvers returns the resolvers over HTTP that the configuration has, in its order.
func (o *Options) newResolvers() (list []*resolver.HTTP, err error) {
	for i, r := range o.Config.LiveSettings().Resolvers {
		h := &resolver.HTTP{Client: outbound.OrRefuse(o.LiveHTTP), URL: r.URL, Timeout: time.Duration(r.TimeoutSeconds) * time.Second, Memory: o.Memory.Work}
		if r.Version != "" {
			if h.Version, err = expression.Compile(r.Version); err != nil {
				return nil, fmt.Errorf("live.resolvers[%d].version: %w", i, err)
			}
		}
		list = append(list, h)
	}
	return list, nil
}

// resolver returns the resolver over HTTP that the configuration names for an entity, or
// nil.
func (a *App) resolver(k live.Key) live.Resolver {
	for i, h := range a.resolvers {
		if serves(a.o.Config.Live.Resolvers[i].Entity, k) {
			return h
		}
	}
	return nil
}

// serves reports whether the resolver of an entity ("items" or "acme/items") has the key: a
// name without a slash is a type of every organisation, one with a slash that of one.
func serves(entity string, k live.Key) bool {
	if !strings.Contains(entity, "/") {
		return entity == k.Type
	}
	return live.KeyOf(entity, k.ID) == k
}

// passThrough sends a client's frame to the URL or the topic that the configuration names.
func (a *App) passThrough(ctx context.Context, secret string, frame []byte) error {
	to := a.o.Config.Live.PassThrough
	if to.Topic != "" {
		attributes := map[string]string{"type": "headgate.frame.v1"}
		if len(secret) > maxAttribute {
			return &live.SecretError{Reason: fmt.Sprintf("the secret has more than %d bytes, so no message can carry it", maxAttribute)}
		}
		if secret != "" {
			attributes["secret"] = secret
		}
		_, err := a.o.Bus.Publish(ctx, to.Topic, bus.Message{Data: frame, Attributes: attributes})
		return err
	}
	if err := resolver.CheckHeader(secret); err != nil {
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
	resp, err := outbound.OrRefuse(a.o.LiveHTTP).Do(req)
	if err != nil {
		return fmt.Errorf("live.passThrough.url does not answer: %w", fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("live.passThrough.url answers %s", fault.Status(resp.StatusCode))
	}
	return nil
}

// Drain closes the connections of live clients, which then connect to other instances.
// Their requests do not end by themselves, so a shutdown would wait for them in vain.
func (a *App) Drain() { a.live.Hub.Drain() }

// startLive starts the hub where clients can connect. Elsewhere the hub only notifies
// other instances.
func (a *App) startLive() {
	if a.o.ServesLive {
		a.live.Hub.Start()
	}
}
