// A client of librdkafka with the properties in the files that are its arguments. It runs
// until its input ends.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() {
	config := kafka.ConfigMap{}
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			exit(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
				config[name] = value
			}
		}
	}
	producer, err := kafka.NewProducer(&config)
	if err != nil {
		exit(err)
	}
	go func() {
		for event := range producer.Events() {
			fmt.Fprintln(os.Stderr, event)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	producer.Close()
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
