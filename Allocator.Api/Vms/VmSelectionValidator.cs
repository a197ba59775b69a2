using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed class VmSelectionValidator : AbstractValidator<VmSelection>
{
    public VmSelectionValidator()
    {
        RuleFor(selection => selection.Hostnames)
            .Must(names => names is null || (names.Count is > 0 and <= Limits.MaxNamed && names.All(name => Hostname.TryParse(name, out _))))
            .WithMessage($"Must be 1 to {Limits.MaxNamed:N0} host names.");
        RuleFor(selection => selection.Pool).IsPoolName();
        RuleFor(selection => selection.Text)
            .Must(Limits.IsSearchText).WithMessage($"Must be {Limits.SearchTextRule}.");
        // A forgotten filter must not empty the whole house.
        RuleFor(selection => selection.All)
            .Must((selection, all) => all != IsFiltered(selection))
            .WithMessage("Must be true where no filter is given, to mean every VM, and only there.");
    }

    private static bool IsFiltered(VmSelection selection) => selection with { All = false, DryRun = false } != new VmSelection();
}
