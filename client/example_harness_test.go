package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/headgate/headgate/internal/cli"
	"github.com/headgate/headgate/internal/emulator"
)

// The functions of this file panic on failure, because an example has no testing.T.

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

// logged collects the log of a server.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startServer serves a configuration on the embedded store until stop is called.
func startServer(config string, args ...string) (url string, stop func()) {
	dir := must(os.MkdirTemp("", "headgate-example-"))
	ctx, cancel := context.WithCancel(context.Background())
	log, ended := &logged{}, make(chan struct{})
	go func() {
		defer close(ended)
		cli.Main(ctx, cli.Process{
			Args: append([]string{"--addr", "127.0.0.1:0", "--data", dir, "--store", "sqlite", "--bus", "local"}, args...),
			Getenv: func(name string) string {
				switch name {
				case "CONFIG":
					return config
				case "HEADGATE_LOG_FORMAT":
					return "logfmt"
				}
				return os.Getenv(name)
			},
			Stdout: io.Discard, Stderr: log,
		})
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if found := listening.FindStringSubmatch(log.String()); found != nil {
			url = "http://" + found[1]
			break
		}
		select {
		case <-ended:
			panic("the server ended: " + log.String())
		default:
		}
		if time.Now().After(deadline) {
			panic("the server does not listen: " + log.String())
		}
	}
	return url, func() {
		cancel()
		<-ended
		_ = os.RemoveAll(dir)
	}
}

// mailbox is a server whose handler can be set after its address is known.
type mailbox struct {
	*httptest.Server
	handler http.Handler
}

func newMailbox() *mailbox {
	m := &mailbox{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }))
	return m
}

// gateTo returns the configuration of a gate with one endpoint, whose messages go to a URL.
func gateTo(url, more string) string {
	return fmt.Sprintf(`{"serviceName":"orders","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"order","minNbOfOccurrence":2}],"targets":[{"name":"consumer","http":{"url":%q%s}}]}`, url, more)
}

// subscribed starts a server whose messages go to Pub/Sub, and a subscription to them: on the
// emulator that the environment names, or else on a stand-in in this process.
func subscribed() (url string, subscriber *pubsub.Subscriber, stop func()) {
	host, closeFake := os.Getenv("PUBSUB_EMULATOR_HOST"), func() {}
	if host == "" {
		fake := pstest.NewServer()
		host = fake.Addr
		if err := os.Setenv("PUBSUB_EMULATOR_HOST", host); err != nil { // the SDK reads it as well
			panic(err)
		}
		closeFake = func() {
			_ = os.Unsetenv("PUBSUB_EMULATOR_HOST")
			_ = fake.Close()
		}
	}
	ctx, project := context.Background(), emulator.Project()
	conn := must(grpc.NewClient(host, grpc.WithTransportCredentials(insecure.NewCredentials())))
	ps := must(pubsub.NewClient(ctx, project, option.WithGRPCConn(conn)))
	topic, name := "projects/"+project+"/topics/orders", "projects/"+project+"/subscriptions/invoices"
	must(ps.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: topic}))
	must(ps.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{Name: name, Topic: topic, AckDeadlineSeconds: 60}))
	config := fmt.Sprintf(`{"serviceName":"orders","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"order"}],"targetPubSub":{"topic":%q},"maxMessageBytes":1024}`, topic)
	url, end := startServer(config, "--bus", "pubsub", "--project", project)
	return url, ps.Subscriber(name), func() {
		end()
		_ = ps.Close()
		_ = conn.Close()
		closeFake()
	}
}
