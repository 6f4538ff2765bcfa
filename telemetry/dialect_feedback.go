package telemetry

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const evaluationName = "gen_ai.evaluation.result"

// reactionNames are the events by which clients say what a person thought.
var reactionNames = []string{
	"feedback", "user_feedback", "human_feedback", "explicit_feedback", "gen_ai_feedback", "gen_ai_user_feedback",
	"user_rating", "thumbs_up", "thumbs_down",
}

// reacts reports whether an event of this name is a person's reaction. An
// evaluation or annotation is one when its own name says so: what a machine
// thought of an answer is not feedback.
func reacts(name string, a *bag) bool {
	switch name {
	case evaluationName:
		return isFeedback(a.text("gen_ai.evaluation.name"))
	case "annotation":
		return strings.EqualFold(a.text("annotation.annotator_kind", "annotator_kind"), "human") || isFeedback(a.text("annotation.name", "name"))
	}
	plain := strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(strings.ToLower(name))
	return slices.Contains(reactionNames, plain)
}

var feedbackWords = []string{"feedback", "thumb", "thumbs", "thumbsup", "thumbsdown", "rating", "ratings", "star", "stars", "csat", "nps", "satisfaction", "satisfied", "helpful", "like", "liked", "dislike", "disliked", "vote", "upvote", "downvote"}

// isFeedback reports whether a score of this name is what a person gave, as
// "user-feedback", "thumbsUp" or "star_rating" are and "correctness" is not.
func isFeedback(name string) bool {
	return slices.ContainsFunc(wordsOf(name), func(w string) bool { return slices.Contains(feedbackWords, w) })
}

// wordsOf takes a name apart at everything that is no letter, and before
// capitals.
func wordsOf(name string) []string {
	var apart strings.Builder
	small := false
	for _, c := range cut(name, 256) {
		if unicode.IsUpper(c) && small {
			apart.WriteByte(' ')
		}
		small = unicode.IsLower(c)
		if !unicode.IsLetter(c) {
			c = ' '
		}
		apart.WriteRune(unicode.ToLower(c))
	}
	return strings.Fields(apart.String())
}

// feedback writes the fields of a person's reaction.
func (t *taking) feedback(e *draft, event string, a *bag) {
	e.text("event_type", string(TypeFeedback))
	name := a.text("gen_ai.evaluation.name", "annotation.name", "feedback.name")
	value := a.value("score", "value", "rating", "feedback", "explicit_feedback", "user_feedback", "thumbs", "sentiment", "score.value",
		"gen_ai.evaluation.score.value", "annotation.score", "gen_ai.evaluation.score.label", "annotation.label", "label")
	if _, rated := a.index["rating"]; rated {
		name = "rating"
	}
	if value == nil {
		value = event // "thumbs_down" says it all
	}
	e.text("explicit_feedback", opinion(name, value))
	reaction(e, a.text("reason", "reason_code", "category"), a.text("comment", "gen_ai.evaluation.explanation", "annotation.explanation", "explanation"))
	e.text("correction", a.text("correction"))
}

// reaction writes why somebody thought so: one word is a tag, a sentence is
// text like any other.
func reaction(e *draft, reason, comment string) {
	if tag(reason) == "" || !fits(reason) {
		reason, comment = "", paragraph(reason, comment)
	}
	if reason == "" && comment != "" && tag(comment) != "" && fits(comment) {
		reason, comment = comment, ""
	}
	e.text("reason", reason)
	e.text("response", comment)
}

var opinions = map[string]string{
	"up": "up", "thumbs_up": "up", "thumbs-up": "up", "thumbsup": "up", "thumbs up": "up", "positive": "up", "good": "up", "like": "up", "liked": "up", "helpful": "up", "👍": "up", "upvote": "up",
	"down": "down", "thumbs_down": "down", "thumbs-down": "down", "thumbsdown": "down", "thumbs down": "down", "negative": "down", "bad": "down", "dislike": "down", "disliked": "down", "unhelpful": "down", "not helpful": "down", "👎": "down", "downvote": "down",
}

var answers = map[string]string{"yes": "up", "true": "up", "no": "down", "false": "down"}

// opinion reads a score as "up", "down" or a rating of 1 to 5; "" when it says
// neither. Nought, and anything negative, is down; one is up, unless the score
// is named a rating; a part of one is up from a half.
func opinion(name string, value any) string {
	switch v := value.(type) {
	case bool:
		return inverted(name, answers[strconv.FormatBool(v)])
	case string:
		word := strings.ToLower(strings.TrimSpace(v))
		if o, ok := opinions[word]; ok {
			return o
		}
		if o, ok := answers[word]; ok {
			return inverted(name, o)
		}
	}
	n, ok := asFloat(value)
	switch {
	case !ok:
		return ""
	case n <= 0:
		return inverted(name, "down")
	case n == math.Trunc(n) && n <= 5 && (n > 1 || ratesBy(name)):
		return strconv.Itoa(int(n))
	case n < 0.5:
		return inverted(name, "down")
	case n <= 1:
		return inverted(name, "up")
	}
	return ""
}

func ratesBy(name string) bool {
	return slices.ContainsFunc(wordsOf(name), func(w string) bool { return strings.HasPrefix(w, "rating") || strings.HasPrefix(w, "star") })
}

// inverted turns a yes to a bad thing around: "thumbs_down" with 1 is down,
// and with 0 it says nothing.
func inverted(name, o string) string {
	words := wordsOf(name)
	bad := slices.Contains(words, "down") || slices.ContainsFunc(words, func(w string) bool {
		return w == "thumbsdown" || w == "dislike" || w == "disliked" || w == "downvote"
	})
	switch {
	case !bad:
		return o
	case o == "up":
		return "down"
	}
	return ""
}
