package arch_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const dockerfile = "server/Dockerfile"

// instruction is one line of a Dockerfile, continued lines joined.
type instruction struct {
	name, rest string
	stage      string // name of the stage it belongs to
}

// Every instruction that we use, and what its rest looks like.
var grammar = map[string]*regexp.Regexp{
	"FROM":       regexp.MustCompile(`^\S+( AS [a-z]+)?$`),
	"WORKDIR":    regexp.MustCompile(`^/\S*$`),
	"COPY":       regexp.MustCompile(`^(--from=[a-z]+ )?(--chown=\d+:\d+ )?\S+( \S+)+$`),
	"RUN":        regexp.MustCompile(`^\.ci/[a-z-]+( [a-z-]+)*$`),
	"USER":       regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`),
	"VOLUME":     regexp.MustCompile(`^/\S+$`),
	"EXPOSE":     regexp.MustCompile(`^\d+/(tcp|udp)( \d+/(tcp|udp))*$`),
	"ENTRYPOINT": regexp.MustCompile(`^\["[^"]+"(, "[^"]+")*\]$`),
	"CMD":        regexp.MustCompile(`^\["[^"]+"(, "[^"]+")*\]$`),
}

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

func parseDockerfile(t *testing.T) []instruction {
	t.Helper()
	var all []instruction
	stage := ""
	for line := range strings.Lines(strings.ReplaceAll(readRoot(t, dockerfile), "\\\n", "")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		shape, known := grammar[name]
		require.True(t, known, "unknown instruction: %s", line)
		require.Regexp(t, shape, rest, name)
		if name == "FROM" {
			_, stage, _ = strings.Cut(rest, " AS ")
		}
		all = append(all, instruction{name: name, rest: rest, stage: stage})
	}
	require.NotEmpty(t, all)
	require.Equal(t, "FROM", all[0].name)
	return all
}

// No container engine is needed to know that the image's steps can work: what
// they copy is there, and what they run is run by `npm test` as well.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	steps := readRoot(t, ".ci/steps.mjs")
	stages := map[string]bool{}
	for _, i := range parseDockerfile(t) {
		switch i.name {
		case "FROM":
			stages[i.stage] = true
			if version, ok := strings.CutPrefix(i.rest, "golang:"); ok {
				version, _, _ = strings.Cut(version, "-")
				require.Contains(t, readRoot(t, "go.mod"), "\ngo "+version+"\n", "go.mod names another version of Go")
			}
		case "COPY":
			checkCopy(t, i, stages)
		case "RUN":
			script, _, _ := strings.Cut(i.rest, " ")
			info, err := os.Stat(filepath.Join(root, script))
			require.NoError(t, err)
			require.NotZero(t, info.Mode()&0o111, "%s cannot be run", script)
			require.Contains(t, steps, "'"+script+"'", "npm test does not run %s", script)
		}
	}
}

func checkCopy(t *testing.T, i instruction, stages map[string]bool) {
	t.Helper()
	words := strings.Fields(i.rest)
	if from, ok := strings.CutPrefix(words[0], "--from="); ok {
		require.True(t, stages[from], "COPY from the unknown stage %s", from)
		return
	}
	for _, name := range words[:len(words)-1] {
		_, err := os.Stat(filepath.Join(root, name))
		require.NoError(t, err, "COPY %s", i.rest)
		require.True(t, inContext(t, name), "%s is kept out by .dockerignore", name)
	}
}

// inContext says whether .dockerignore, which names what comes in, lets a file
// or folder through.
func inContext(t *testing.T, name string) bool {
	t.Helper()
	lines := strings.Fields(readRoot(t, ".dockerignore"))
	require.Equal(t, "*", lines[0])
	for ; name != "."; name = path.Dir(name) {
		if slices.Contains(lines, "!"+name) {
			return true
		}
	}
	return false
}

// compose is what we use of the Compose file; any other key is a mistake.
type compose struct {
	Services map[string]struct {
		Build struct {
			Context    string `yaml:"context"`
			Dockerfile string `yaml:"dockerfile"`
		} `yaml:"build"`
		Restart     string            `yaml:"restart"`
		ReadOnly    bool              `yaml:"read_only"`
		CapDrop     []string          `yaml:"cap_drop"`
		SecurityOpt []string          `yaml:"security_opt"`
		StopGrace   string            `yaml:"stop_grace_period"`
		Ports       []string          `yaml:"ports"`
		Environment map[string]string `yaml:"environment"`
		Volumes     []string          `yaml:"volumes"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func TestCompose(t *testing.T) {
	t.Parallel()
	var file compose
	decoder := yaml.NewDecoder(strings.NewReader(readRoot(t, "docker-compose.yml")))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))
	service, ok := file.Services["heliograph"]
	require.True(t, ok)
	require.Equal(t, dockerfile, path.Join(service.Build.Context, service.Build.Dockerfile))

	exposed := map[string]bool{}
	volume := ""
	for _, i := range parseDockerfile(t) {
		switch i.name {
		case "EXPOSE":
			for _, port := range strings.Fields(i.rest) {
				exposed[port] = true
			}
		case "VOLUME":
			volume = i.rest
		}
	}
	// One number inside and outside, or the candidates that the server
	// announces would name a port that nobody answers at.
	require.Len(t, service.Ports, len(exposed))
	for _, port := range service.Ports {
		outside, inside, _ := strings.Cut(port, ":")
		require.True(t, exposed[inside], "%s is not exposed", inside)
		number, _, _ := strings.Cut(inside, "/")
		require.Equal(t, outside, number)
	}
	require.Len(t, service.Volumes, 1)
	name, mounted, _ := strings.Cut(service.Volumes[0], ":")
	require.Equal(t, volume, mounted)
	require.Contains(t, file.Volumes, name)
	for key := range service.Environment {
		require.Regexp(t, `^HELIOGRAPH_[A-Z_]+$`, key)
	}
}
