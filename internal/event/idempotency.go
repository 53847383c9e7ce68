package event

import (
	"encoding/json"
	"strconv"
	"strings"
)

// IdempotencyKey returns the source's name for the event, or "" if the request has none.
// It takes the first of: the Idempotency-Key header; the CloudEvents source and id; the
// message id of a Pub/Sub push, unwrapped (headers) or wrapped (push); the queue and the
// name of a Cloud Task; the job and the schedule time of Cloud Scheduler. Each kind has a
// prefix of its own, so that names of different kinds never collide.
//
// Two events with one name count once, and the second is lost if it was another event. So
// a request that leaves a doubt has no name: at worst, its retry counts twice.
func IdempotencyKey(header map[string][]string, cloudEvent map[string]json.RawMessage, push *Push) string {
	if k := listed(header["Idempotency-Key"]); k != "" {
		return "key:" + k
	}
	if cloudEvent != nil {
		source := unquote(cloudEvent["source"])
		return "ce:" + strconv.Itoa(len(source)) + ":" + source + unquote(cloudEvent["id"])
	}
	// A message id is unique in its topic only, so without the subscription it is no name.
	id, subscription := get(header, "X-Goog-Pubsub-Message-Id"), get(header, "X-Goog-Pubsub-Subscription-Name")
	switch {
	case id != "" && subscription != "":
		return pubsubKey(subscription, id)
	case push != nil:
		return push.key()
	default:
		return scheduled(header)
	}
}

// scheduled returns the name that Cloud Tasks or Cloud Scheduler gives a request, which
// stays the same when they send it again, or "". A task's name is unique in its queue only,
// and a job without a schedule time may be another run.
func scheduled(header map[string][]string) string {
	queue, task := get(header, "X-Cloudtasks-Queuename"), get(header, "X-Cloudtasks-Taskname")
	if queue != "" && task != "" {
		return "task:" + strconv.Itoa(len(queue)) + ":" + queue + task
	}
	job, at := get(header, "X-Cloudscheduler-Jobname"), get(header, "X-Cloudscheduler-Scheduletime")
	if job != "" && at != "" {
		return "job:" + strconv.Itoa(len(job)) + ":" + job + at
	}
	return ""
}

// ItemKey returns the name of item i of a batch that the Idempotency-Key header names, or
// "" without that header. It is never the name of a single event, or of another batch's item.
func ItemKey(header map[string][]string, i int) string {
	name := IdempotencyKey(map[string][]string{"Idempotency-Key": header["Idempotency-Key"]}, nil, nil)
	if name == "" {
		return ""
	}
	return "item:" + strconv.Itoa(i) + ":" + name
}

// listed returns the values of a header as one: several lines mean the same as one line
// with a list.
func listed(values []string) string {
	var given []string
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			given = append(given, v)
		}
	}
	return strings.Join(given, ", ")
}
