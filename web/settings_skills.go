package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/labeling"
	"assay/web/ui"
)

// skillChoice is what can be ticked of what a person can judge.
type skillChoice struct {
	Classes   []skillBox
	Languages []skillBox
	Words     string // what holds now
}

type skillBox struct {
	Value, Words string
	Held         bool
}

// languageWords are the names of the languages that a text is recognised in.
var languageWords = map[string]string{
	"ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French",
	"he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nb": "Norwegian", "nl": "Dutch", "pl": "Polish",
	"pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}

// chooseSkills is nil for whoever does not label.
func chooseSkills(p people.Person, held labeling.Skills, classes []string) *skillChoice {
	if !(auth.Actor{Kind: auth.Person, Roles: p.Roles}).May(auth.Label) {
		return nil
	}
	choice := &skillChoice{Words: skillWords(held) + " Nothing ticked is no limit."}
	classes = append(slices.Clone(classes), held.TaskClasses...)
	slices.Sort(classes)
	for _, class := range slices.Compact(classes) {
		choice.Classes = append(choice.Classes, skillBox{class, taskClassWords(class), slices.Contains(held.TaskClasses, class)})
	}
	for _, code := range labeling.Languages {
		choice.Languages = append(choice.Languages, skillBox{code, languageWords[code], slices.Contains(held.Languages, code)})
	}
	slices.SortFunc(choice.Languages, func(a, b skillBox) int { return strings.Compare(a.Words, b.Words) })
	return choice
}

// skillWords says what a person is served.
func skillWords(k labeling.Skills) string {
	classes, languages := "Is served every task class", "every language."
	if len(k.TaskClasses) > 0 {
		classes = "Is served " + namesOf(k.TaskClasses, taskClassWords)
	}
	if len(k.Languages) > 0 {
		languages = namesOf(k.Languages, func(code string) string { return languageWords[code] }) + ", and what does not say its language."
	}
	return classes + ", in " + languages
}

func namesOf(values []string, words func(string) string) string {
	names := make([]string, len(values))
	for i, value := range values {
		names[i] = cmp.Or(words(value), value)
	}
	return strings.Join(names, ", ")
}

func (s *site) personSkills(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		TaskClasses []string `form:"task_class"`
		Languages   []string `form:"language"`
	}
	id, err := idParam(c, "person")
	if err == nil {
		err = readForm(c, &in)
	}
	if err != nil {
		return err
	}
	skills := labeling.Skills{TaskClasses: in.TaskClasses, Languages: in.Languages}
	if err := labels.SetSkills(c.UserContext(), actorOf(c), id, skills); err != nil {
		return err
	}
	s.say(c, "Skills saved. Start serves what they can judge from now on.")
	return s.see(c, "/settings/people")
}

// skillsAPI says what the key or person who asks can judge.
func (s *site) skillsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	skills, err := labels.OwnSkills(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	return c.JSON(skills)
}

// strandedPart says what waits in a queue and nobody present can judge.
func strandedWords(q labeling.Queue, list []labeling.Stranded, ago func(labeling.Stranded) string) []string {
	var lines []string
	for _, part := range list {
		what := ui.CountOf(part.Items, "item waits", "items wait")
		whom := "judges " + taskClassWords(q.TaskClass)
		if part.Language != "" {
			language := cmp.Or(languageWords[part.Language], part.Language)
			what, whom = what+" in "+language, "reads "+language
		}
		line := what + ", and nobody here now " + whom + "."
		if len(part.Able) > 0 {
			line += " " + strings.Join(part.Able[:min(len(part.Able), 3)], ", ") + " could" + ago(part) + "."
		}
		lines = append(lines, line)
	}
	return lines
}
