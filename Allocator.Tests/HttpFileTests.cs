using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>Runs <c>allocator.http</c>: each request must be answered with the status in its title.</summary>
public sealed partial class HttpFileTests(PostgresServer server)
{
    [Fact]
    public async Task File_runs_from_top_to_bottom()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Telemetry:PublicMetrics"] = "true" });
        var file = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "allocator.http"));
        var variables = new Dictionary<string, string>
        {
            ["url"] = deployment.Replica.Address.ToString().TrimEnd('/'),
            ["enrolmentToken"] = Replica.EnrolmentToken,
            ["adminPassword"] = Replica.AdminPassword,
        };
        var replies = new Dictionary<string, JsonNode>();
        var requests = file.Split("\n### ")[1..];
        foreach (var text in requests)
        {
            var title = text[..text.IndexOf('\n', StringComparison.Ordinal)];
            var (head, body) = Split(Variable().Replace(text[(title.Length + 1)..], match => Value(match.Groups[1].Value)));
            var name = head.FirstOrDefault(line => line.StartsWith("# @name ", StringComparison.Ordinal))?[8..];
            head = [.. head.Where(line => line.Length > 0 && line[0] != '#')];

            var requestLine = head[0].Split(' ');
            using var request = new HttpRequestMessage(new HttpMethod(requestLine[0]), requestLine[1]);
            request.Content = body.Length == 0 ? null : new StringContent(body, Encoding.UTF8, "application/json");
            foreach (var header in head[1..].Select(line => line.Split(": ", 2)).Where(header => header[0] != "Content-Type"))
            {
                // In .http files "Basic name password" is encoded as base64 by the editor.
                var value = header[1].StartsWith("Basic ", StringComparison.Ordinal)
                    ? $"{Deployment.Basic("admin", Replica.AdminPassword)}"
                    : header[1];
                Assert.True(request.Headers.TryAddWithoutValidation(header[0], value));
            }
            await SettleAsync(deployment);
            using var response = await deployment.Person.SendAsync(request);
            var content = await response.Content.ReadAsStringAsync();
            Assert.True(title.EndsWith($"{(int)response.StatusCode}", StringComparison.Ordinal), $"{title}: {(int)response.StatusCode} {content}");
            if (name is not null)
            {
                replies[name] = JsonNode.Parse(content)!;
            }
        }
        Assert.Equal(38, requests.Length);

        string Value(string expression) => variables.TryGetValue(expression, out var value)
            ? value
            : expression.Split('$')[^1].Split('.', '[')[1..].Aggregate(replies[expression.Split('.')[0]],
                (node, step) => step.EndsWith(']') ? node[int.Parse(step[..^1], null)]! : node[step]!).ToString();
    }

    /// <summary>Waits for the feed, because a person who sends these requests by hand is slower than it.</summary>
    private static Task SettleAsync(Deployment deployment) => Wait.UntilAsync(async () =>
        deployment.Replica.Fleet.Find("vm-demo") is not { } vm
        || vm.View.Revision == await deployment.QueryAsync<long>("select revision from vms where hostname = 'vm-demo'"), "the fleet is up to date");

    private static (string[] Head, string Body) Split(string request)
    {
        var empty = request.IndexOf("\n\n", StringComparison.Ordinal);
        return empty < 0 ? (request.Split('\n'), "") : (request[..empty].Split('\n'), request[(empty + 2)..].Trim());
    }

    [GeneratedRegex(@"\{\{([^}]+)\}\}")]
    private static partial Regex Variable();
}
