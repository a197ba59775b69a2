using Allocator.Client.Agent;
using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Allocator.Api.Settings;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Allocator.Tests.Settings;

/// <summary>The tables in <c>docs/configuration.md</c> say what the program does.</summary>
public sealed partial class DocumentedSettingsTests(PostgresServer server)
{
    private static readonly string Document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "configuration.md"));

    [Fact]
    public async Task Table_of_the_api_has_every_setting_with_its_default()
    {
        await using var replica = new Replica(await server.CreateDatabaseAsync(), new Dictionary<string, string>());
        var rows = Rows("## Of the API");
        var sections = replica.Services.GetServices<SettingsSection>().ToArray();

        Assert.Equal(
            sections.SelectMany(section => section.Settings.Select(section.Key)).Order(StringComparer.Ordinal),
            rows.Select(row => row.Key).Order(StringComparer.Ordinal));
        foreach (var (section, setting, row) in Settings(sections, rows))
        {
            Assert.Equal((row.Key, Text(setting.GetValue(Activator.CreateInstance(section.Options)))),
                (row.Key, Canonical(setting.PropertyType, row.Default)));
        }
    }

    [Fact]
    public async Task Ranges_of_the_api_are_those_that_are_enforced()
    {
        await using var replica = new Replica(await server.CreateDatabaseAsync(), new Dictionary<string, string>());
        var rows = Rows("## Of the API");
        var checkedRanges = 0;
        foreach (var (section, setting, row) in Settings([.. replica.Services.GetServices<SettingsSection>()], rows))
        {
            if (setting.PropertyType == typeof(int))
            {
                var (least, most) = Range(row, text => int.Parse(text, NumberStyles.AllowThousands, CultureInfo.InvariantCulture));
                Check(least, most, least - 1, most + 1);
            }
            else if (setting.PropertyType == typeof(TimeSpan))
            {
                var (least, most) = Range(row, Time);
                Check(least, most, least - TimeSpan.FromMilliseconds(1), most + TimeSpan.FromMilliseconds(1));
            }
            else if (setting.PropertyType.IsEnum)
            {
                Assert.Equal(Enum.GetNames(setting.PropertyType), row.Range.Split(", ").Select(word => word.Trim('`')));
            }

            void Check(object least, object most, params object[] beyond)
            {
                checkedRanges++;
                Assert.All(beyond, value => Assert.Contains(Failures(value), failure => failure.StartsWith(row.Key + " ", StringComparison.Ordinal)));
                Assert.All(row.Range.Contains(',', StringComparison.Ordinal) && setting.PropertyType == typeof(TimeSpan)
                    ? [most] : new[] { least, most },
                    value => Assert.DoesNotContain(Failures(value), failure => failure.StartsWith(row.Key + " ", StringComparison.Ordinal)));
            }

            IEnumerable<string> Failures(object value)
            {
                var options = Activator.CreateInstance(section.Options)!;
                setting.SetValue(options, value);
                var type = typeof(IValidateOptions<>).MakeGenericType(section.Options);
                return replica.Services.GetServices(type)
                    .Select(validator => (ValidateOptionsResult)type.GetMethod(nameof(IValidateOptions<>.Validate))!.Invoke(validator,
                        [null, options])!)
                    .SelectMany(result => result.Failures ?? []);
            }
        }
        Assert.True(checkedRanges >= 17, $"{checkedRanges} ranges");
    }

    [Fact]
    public async Task File_with_the_settings_has_the_defaults()
    {
        await using var replica = new Replica(await server.CreateDatabaseAsync(), new Dictionary<string, string>());
        var file = new ConfigurationBuilder().AddJsonFile(Path.Combine(RepositoryRoot.Path, "appsettings.json")).Build();
        foreach (var section in replica.Services.GetServices<SettingsSection>())
        {
            var defaults = Activator.CreateInstance(section.Options)!;
            var bound = Activator.CreateInstance(section.Options)!;
            (section.Name.Length == 0 ? file : (IConfiguration)file.GetSection(section.Name)).Bind(bound);
            Assert.All(section.Settings, setting => Assert.Equal(Text(setting.GetValue(defaults)), Text(setting.GetValue(bound))));
        }
    }

    [Fact]
    public void Table_of_the_client_has_every_setting_with_its_default_and_range()
    {
        var rows = Rows("## Of the client");
        var asked = new Recorder();
        Read(asked);

        Assert.Equal(asked.Keys.Order(StringComparer.Ordinal), rows.Select(row => row.Key).Order(StringComparer.Ordinal));
        var times = rows.Where(row => row.Unit == "time").ToArray();
        Assert.Equal(
            times.Select(row => Time(row.Default)),
            new[] { Read(asked).HookTimeout, Read(asked).LostContactAfter, Read(asked).GpuInterval,
                Read(asked).FirstPollWithin, Read(asked).RequestTimeout });
        Assert.Equal(rows.Single(row => row.Key == "StateFolder").Default, Read(asked).StateFolder);
        foreach (var row in times)
        {
            var (least, most) = Range(row, Time);
            Read(new Recorder(row.Key, $"{least}"));
            Read(new Recorder(row.Key, $"{most}"));
            Assert.Throws<ClientOptionsException>(() => Read(new Recorder(row.Key, $"{least - TimeSpan.FromMilliseconds(1)}")));
            Assert.Throws<ClientOptionsException>(() => Read(new Recorder(row.Key, $"{most + TimeSpan.FromMilliseconds(1)}")));
        }

        static ClientOptions Read(Recorder recorder) => ClientOptions.Read(new ConfigurationRoot([recorder]));
    }

    private static IEnumerable<(SettingsSection Section, PropertyInfo Setting, Row Row)> Settings(SettingsSection[] sections, Row[] rows) =>
        from section in sections
        from setting in section.Settings
        select (section, setting, rows.Single(row => row.Key == section.Key(setting)));

    private static Row[] Rows(string heading)
    {
        var start = Document.IndexOf(heading, StringComparison.Ordinal);
        var end = Document.IndexOf("\n## ", start + heading.Length, StringComparison.Ordinal);
        return [.. Document[start..(end < 0 ? Document.Length : end)].Split('\n')
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Select(cells => new Row(cells[1].Trim('`'), cells[2], cells[3].Trim('`'), cells[4]))];
    }

    private static (T Least, T Most) Range<T>(Row row, Func<string, T> parse)
    {
        var match = FromTo().Match(row.Range);
        Assert.True(match.Success, $"{row.Key} has the range '{row.Range}'");
        return (parse(match.Groups[1].Value), parse(match.Groups[2].Value));
    }

    private static TimeSpan Time(string text) => TimeSpan.Parse(text, CultureInfo.InvariantCulture);

    private static string Canonical(Type type, string text) => type == typeof(TimeSpan) ? Text(Time(text)) : text;

    private static string Text(object? value) => value is ICollection { Count: 0 } ? "" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    [GeneratedRegex(@"^([\d.:,]+) – ([\d.:,]*\d)")]
    private static partial Regex FromTo();

    private sealed record Row(string Key, string Unit, string Default, string Range);

    /// <summary>A configuration of an address and one other setting, that keeps the keys it was asked for.</summary>
    private sealed class Recorder(string? setting = null, string? value = null) : ConfigurationProvider
    {
        private readonly HashSet<string> _keys = [];

        public IEnumerable<string> Keys => _keys;

        public override bool TryGet(string key, out string? found)
        {
            _keys.Add(key);
            found = key == "Url" ? "https://allocator.example.org" : key == setting ? value : null;
            return found is not null;
        }

        public override IEnumerable<string> GetChildKeys(IEnumerable<string> earlierKeys, string? parentPath)
        {
            _keys.Add(parentPath!);
            return earlierKeys;
        }
    }
}
