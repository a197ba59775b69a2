using Allocator.Api.Assignments;
using Xunit;

namespace Allocator.Tests.Assignments;

public sealed class RemoteDesktopCodeTests
{
    [Theory]
    [InlineData(
        "DISPLAY= /opt/google/chrome-remote-desktop/start-host --code=\"4/0AbC-d_9\" "
            + "--redirect-url=\"https://remotedesktop.google.com/_/oauthredirect\" --name=$(hostname)", "4/0AbC-d_9")]
    [InlineData("--code=4/0A", "4/0A")]
    [InlineData("--code '4/0A' --pin=1", "4/0A")]
    [InlineData("  --code=\"4/0A\"\n", "4/0A")]
    public void Only_the_code_is_extracted(string line, string code) => Assert.Equal(code, RemoteDesktopCode.Code(line));

    [Theory]
    [InlineData("")]
    [InlineData("4/0A")]
    [InlineData("--code")]
    [InlineData("--code=")]
    [InlineData("--code=\"4/0A")]
    [InlineData("--code=\"4/0A'")]
    [InlineData("--code=4/0A;reboot")]
    [InlineData("--code=4/0A&reboot")]
    [InlineData("--code=$(reboot)")]
    [InlineData("--code=\"4/0A\"$(reboot)")]
    [InlineData("--code=\"4/0A\" --code=\"4/0A\"")]
    [InlineData("--codes=4/0A")]
    [InlineData("--code=4/0Ä")]
    [InlineData("--code=../../etc/passwd")]
    public void Any_other_text_is_rejected(string line) => Assert.Null(RemoteDesktopCode.Code(line));

    [Fact]
    public void Line_that_is_too_long_is_rejected() =>
        Assert.Null(RemoteDesktopCode.Code("--code=4/0A " + new string('x', RemoteDesktopCode.MaxAllowed)));
}
