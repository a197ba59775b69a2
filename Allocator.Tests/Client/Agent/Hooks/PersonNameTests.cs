using System.Text.RegularExpressions;
using Allocator.Client.Agent.Hooks;
using Allocator.Contracts;
using Xunit;

namespace Allocator.Tests.Client.Agent.Hooks;

public sealed partial class PersonNameTests
{
    private static readonly Guid Id = new("0198f000-0000-7000-8000-00008d3f01c2");

    [Theory]
    [InlineData("ada@example.org", "ada-8d3f01c2")]
    [InlineData("Ada.Lovelace+gpu@example.org", "ada-lovelace-gpu-8d3f01c2")]
    [InlineData("--help@example.org", "help-8d3f01c2")]
    [InlineData("$(touch${IFS}x)@example.org", "touch-ifs-x-8d3f01c2")]
    [InlineData("007@example.org", "p-007-8d3f01c2")]
    [InlineData("\u0430\u0434\u0430@example.org", "person-8d3f01c2")]
    [InlineData("../../etc/passwd@example.org", "etc-passwd-8d3f01c2")]
    [InlineData("a-very-long-name-of-a-person@example.org", "a-very-long-name-of-8d3f01c2")]
    public void Name_is_safe_in_paths_accounts_and_commands(string email, string expected)
    {
        var name = PersonName.Of(new AssignedPerson(Id, email, null, default));
        Assert.Equal(expected, name);
        Assert.Matches(Safe(), name);
    }

    [GeneratedRegex(@"\A(?=.{1,32}\z)[a-z][a-z0-9]*(-[a-z0-9]+)*\z")]
    private static partial Regex Safe();
}
