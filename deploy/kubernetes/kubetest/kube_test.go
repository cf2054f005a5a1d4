// Package kubetest_test checks the manifests in deploy/kubernetes against the types of the
// Kubernetes API. It is a module of its own, so that the main module does not depend on these.
package kubetest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are what kubectl apply -k sends to the cluster.
type manifests struct {
	deployment appsv1.Deployment
	service    corev1.Service
	config     corev1.ConfigMap
	budget     policyv1.PodDisruptionBudget
	scaler     autoscalingv2.HorizontalPodAutoscaler
}

// render runs Kustomize and decodes its output. Unknown fields are errors.
func render(t *testing.T) (m manifests) {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "..")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]any{
		"apps/v1 Deployment": &m.deployment, "v1 Service": &m.service, "v1 ConfigMap": &m.config,
		"policy/v1 PodDisruptionBudget": &m.budget, "autoscaling/v2 HorizontalPodAutoscaler": &m.scaler,
	}
	for _, r := range resources.Resources() {
		name := r.GetApiVersion() + " " + r.GetKind()
		into, ok := types[name]
		if !ok {
			t.Fatalf("%s is unexpected, or there are two", name)
		}
		delete(types, name)
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(types) > 0 {
		t.Fatalf("missing: %v", types)
	}
	return m
}

// The parts refer to each other.
func TestReferences(t *testing.T) {
	m := render(t)
	pod := m.deployment.Spec.Template
	for what, selector := range map[string]*metav1.LabelSelector{
		"the Deployment": m.deployment.Spec.Selector, "the PodDisruptionBudget": m.budget.Spec.Selector,
		"the Service": {MatchLabels: m.service.Spec.Selector}, "the spread of pods": pod.Spec.TopologySpreadConstraints[0].LabelSelector,
	} {
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || s.Empty() || !s.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s does not select the pods: %v, %v", what, selector, err)
		}
	}
	if ref := m.scaler.Spec.ScaleTargetRef; ref.Name != m.deployment.Name || ref.Kind != m.deployment.Kind || ref.APIVersion != m.deployment.APIVersion {
		t.Errorf("the autoscaler scales %v", ref)
	}
	if m.deployment.Spec.Replicas != nil {
		t.Error("the Deployment resets the number that the autoscaler has chosen")
	}
	c := pod.Spec.Containers[0]
	ports := map[string]int32{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if target := m.service.Spec.Ports[0].TargetPort.StrVal; ports[target] == 0 {
		t.Errorf("no port %q", target)
	}
	for path, probe := range map[string]*corev1.Probe{"/startupz": c.StartupProbe, "/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if get := probe.HTTPGet; get == nil || get.Path != path || get.Port.StrVal != "metrics" {
			t.Errorf("%s: %+v", path, probe.HTTPGet)
		}
	}
	volumes := map[string]corev1.VolumeSource{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = v.VolumeSource
	}
	if v := volumes["config"].ConfigMap; v == nil || v.Name != m.config.Name {
		t.Errorf("no volume of the ConfigMap: %+v", v)
	}
	config := m.config.Data["ignis.yaml"]
	for _, mount := range c.VolumeMounts {
		if _, ok := volumes[mount.Name]; !ok || !mount.ReadOnly {
			t.Errorf("mount %+v", mount)
		}
		if volumes[mount.Name].Secret != nil && strings.Count(config, " "+mount.MountPath+"/") != 2 {
			t.Errorf("the configuration does not read secrets in %s:\n%s", mount.MountPath, config)
		}
	}
	for name, port := range ports {
		if !strings.Contains(config, ":"+map[string]string{"http": "8080", "metrics": "9464"}[name]) || port != map[string]int32{"http": 8080, "metrics": 9464}[name] {
			t.Errorf("the configuration does not listen on port %s %d", name, port)
		}
	}
	if port := pod.Annotations["prometheus.io/port"]; port != "9464" {
		t.Errorf("Prometheus scrapes port %s", port)
	}
}

// A pod has time to drain, and an update never takes all of them.
func TestDrain(t *testing.T) {
	m := render(t)
	found := regexp.MustCompile(`drain_delay: (\w+)`).FindStringSubmatch(m.config.Data["ignis.yaml"])
	if found == nil {
		t.Fatal("the configuration has no drain_delay")
	}
	delay, err := time.ParseDuration(found[1])
	if err != nil {
		t.Fatal(err)
	}
	spec := m.deployment.Spec
	probe := spec.Template.Spec.Containers[0].ReadinessProbe
	if notice := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; delay <= notice {
		t.Errorf("the server stops after %v, but is only found unready after %v", delay, notice)
	}
	// The window and --shutdown-timeout have their defaults.
	if grace := time.Duration(*spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace < delay+45*time.Second {
		t.Errorf("the pod is killed after %v", grace)
	}
	update := spec.Strategy.RollingUpdate
	if update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() != 1 || m.budget.Spec.MaxUnavailable.IntValue() != 1 || *m.scaler.Spec.MinReplicas < 2 {
		t.Errorf("update %v, budget %v, at least %d pods", update, m.budget.Spec.MaxUnavailable, *m.scaler.Spec.MinReplicas)
	}
}

// The pod meets the restricted Pod Security Standard, writes no files, and runs as the user of the image.
func TestPodSecurity(t *testing.T) {
	pod := render(t).deployment.Spec.Template.Spec
	p, c := pod.SecurityContext, pod.Containers[0].SecurityContext
	if !*p.RunAsNonRoot || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *pod.AutomountServiceAccountToken {
		t.Errorf("pod: %+v", p)
	}
	if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || len(c.Capabilities.Drop) != 1 || c.Capabilities.Drop[0] != "ALL" || c.Capabilities.Add != nil {
		t.Errorf("container: %+v", c)
	}
	dockerfile, err := os.ReadFile("../../docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if *p.RunAsUser != 65532 || *p.RunAsGroup != 65532 || *p.FSGroup != 65532 || !strings.Contains(string(dockerfile), "\nUSER 65532:65532\n") {
		t.Errorf("the user is not that of the image: %+v", p)
	}
}

// The metric that the autoscaler uses exists, and is the one in the comment.
func TestScalingMetric(t *testing.T) {
	name := render(t).scaler.Spec.Metrics[0].Pods.Metric.Name
	for file, want := range map[string]string{
		"../../../docs/metrics.md": "`" + name + "`", "../autoscaling.yaml": "seriesQuery: " + name + "{",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s does not contain %s", file, want)
		}
	}
}
