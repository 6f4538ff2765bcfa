package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"assay/internal/fault"
	"assay/internal/outbound"
	"assay/validators"
	"assay/validators/judge"
)

// judgeWithin bounds one attempt at asking the judge.
const judgeWithin = 30 * time.Second

// judging is the language model that the environment names; nil when it names
// none.
func judging() (*validators.Judging, error) {
	address := env("ASSAY_JUDGE_URL")
	if address == "" {
		return nil, nil
	}
	config := judge.Config{URL: address, Key: env("ASSAY_JUDGE_KEY"), Model: env("ASSAY_JUDGE_MODEL"), Within: judgeWithin}
	if host := env("ASSAY_JUDGE_ALLOW"); host != "" {
		config.Guard = outbound.Guard{Allow: []string{host}}
	}
	if path := env("ASSAY_JUDGE_PROMPT"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read ASSAY_JUDGE_PROMPT: %w", err)
		}
		config.Prompt = string(text)
	}
	asked, err := judge.Open(config)
	if err != nil {
		return nil, err
	}
	in, out, err := prices(env("ASSAY_JUDGE_PRICES"))
	return &validators.Judging{Judge: asked, PriceIn: in, PriceOut: out, Within: judgeWithin}, err
}

// prices reads "2.5,10"; nothing is no price.
func prices(text string) (in, out float64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	first, second, found := strings.Cut(text, ",")
	in, wrongIn := strconv.ParseFloat(strings.TrimSpace(first), 64)
	out, wrongOut := strconv.ParseFloat(strings.TrimSpace(second), 64)
	if !found || wrongIn != nil || wrongOut != nil || !(in >= 0 && out >= 0) {
		return 0, 0, fault.Say(fault.Invalid, "ASSAY_JUDGE_PRICES is two prices, like 2.5,10.")
	}
	return in, out, nil
}
