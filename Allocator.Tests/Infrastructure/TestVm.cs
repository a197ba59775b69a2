using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Allocator.Contracts;

namespace Allocator.Tests.Infrastructure;

/// <summary>A VM as the API sees it: its token and the ETag of its last answer.</summary>
internal sealed class TestVm(Deployment deployment, string hostname, string token)
{
    public string Hostname { get; } = hostname;

    public string Token { get; set; } = token;

    public string? ETag { get; set; }

    public VmAssignment? Answer { get; private set; }

    public HttpStatusCode Status { get; private set; }

    /// <summary>Gets the max-age of the last reply in seconds.</summary>
    public double MaxAge { get; private set; }

    /// <summary>Polls like the client; returns the last answer that had a body.</summary>
    public async Task<VmAssignment?> PollAsync(Replica? replica = null)
    {
        using var response = await SendAsync(HttpMethod.Get, $"/assignment/{Hostname}", replica: replica, ifNoneMatch: ETag);
        Status = response.StatusCode;
        if (response.StatusCode == HttpStatusCode.OK)
        {
            Answer = await response.Content.ReadFromJsonAsync<VmAssignment>();
        }
        if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotModified)
        {
            ETag = response.Headers.ETag!.Tag;
            MaxAge = response.Headers.CacheControl!.MaxAge!.Value.TotalSeconds;
        }
        return Answer;
    }

    /// <summary>Polls until the answer meets the condition.</summary>
    public Task<VmAssignment> PollUntilAsync(Func<VmAssignment, bool> condition, string what, Replica? replica = null) =>
        Wait.ForAsync(async () => await PollAsync(replica) is { } answer && condition(answer) ? answer : null, $"{Hostname} is told that {what}");

    public Task<VmAssignment> PollUntilAsync(VmState state, Replica? replica = null) =>
        PollUntilAsync(answer => answer.State == state, $"the VM is {state}", replica);

    public async Task ReportAsync(VmReport report)
    {
        using var response = await SendAsync(HttpMethod.Put, $"/vms/{Hostname}/report", JsonContent.Create(report));
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Reports on the generation of the last answer.</summary>
    public async Task<HttpStatusCode> ReportAsync(Outcome outcome, string? connectUrl = null, string? detail = null)
    {
        using var response = await SendAsync(
            HttpMethod.Put, $"/assignment/{Hostname}/outcome",
                JsonContent.Create(new OutcomeReport(Answer!.Generation, outcome, connectUrl, detail)));
        return response.StatusCode;
    }

    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? content = null, Replica? replica = null, string? ifNoneMatch = null)
    {
        using var request = new HttpRequestMessage(method, new Uri((replica ?? deployment.Replica).Address, path)) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        if (ifNoneMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch);
        }
        return await deployment.Person.SendAsync(request);
    }
}
